import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Plays one script to one broker; every answer, or what came in its place, goes to `out`. */
final class Player implements Closeable {
    private static final Pattern VARIABLE = Pattern.compile("\\$(?:([a-zA-Z]\\w*)|\\{([a-zA-Z]\\w*)([-+]\\d+)?\\})");
    private static final int UNTIL_TIMEOUT_MS = 10_000;
    private static final int UNTIL_PAUSE_MS = 10;
    private static final int UNDER_WAY = 50;
    private static final int CORRELATION_ID_AT = 8; // after the frame's size, the API and its version

    private record Pending(Script.Step step, Request request, short version, Wire wire, long startedNs) { }

    private final Script script;
    private final int port;
    private final Consumer<JsonNode> out;
    private final Map<String, String> variables = new HashMap<>();
    private final Map<String, Wire> wires = new HashMap<>();
    private final Map<String, Pending> pending = new HashMap<>();
    private final Set<String> torn;
    private String scenario;
    private int round;
    private int correlationId = 1000;

    /** `torn` is shared by all scripts of a broker: which versions of which APIs have been sent by half. */
    Player(Script script, int port, long nowMs, Set<String> torn, Consumer<JsonNode> out) {
        this.torn = torn;
        this.script = script;
        this.port = port;
        this.out = out;
        variables.put("now", Long.toString(nowMs));
    }

    void play() throws IOException {
        for (Script.Scenario next : script.scenarios) {
            scenario = next.name;
            for (round = 0; round < next.rounds; round++) {
                variables.put("round", Integer.toString(round));
                for (Script.Step step : next.steps)
                    play(step);
            }
        }
    }

    private void play(Script.Step step) throws IOException {
        try {
            switch (step.act) {
                case REQUEST -> {
                    for (short version : step.versions(round))
                        request(step, version);
                }
                case AWAIT -> await(step);
                case RAW -> raw(step);
                case CLOSE -> close(step.connection);
                case SET -> variables.put(step.name, step.body.toString());
            }
        } catch (RuntimeException e) {
            throw new IOException(script.name + " line " + step.line + " (" + step.name + "): " + e, e);
        }
    }

    private void request(Script.Step step, short version) throws IOException {
        variables.put("version", Integer.toString(version));
        Request request = new Request(step, version, fillIn(step.body.toString()), ++correlationId);
        if (request.content == null)
            return;
        if (!step.isDamaged() && torn.add(step.api.name + version))
            tear(step, version, request);
        Wire wire = wire(step.connection);
        if (step.clause("after") != null)
            ask(wire, step, version, Integer.parseInt(step.clause("after")));
        long startedNs = System.nanoTime();
        wire.send(Wire.frame(request.content));
        if (step.clause("unanswered") != null)
            return;
        Pending asked = new Pending(step, request, version, wire, startedNs);
        if (step.clause("later") != null)
            pending.put(step.name, asked);
        else
            receive(asked);
    }

    /** Asks so often; some are always under way. The frames differ in their correlation id alone. */
    private void ask(Wire wire, Script.Step step, short version, int count) throws IOException {
        int first = correlationId + 1;
        byte[] frame = Wire.frame(new Request(step, version, fillIn(step.body.toString()), first).content);
        for (int i = 0; i < count + UNDER_WAY; i++) {
            if (i < count)
                wire.send(ByteBuffer.wrap(frame).putInt(CORRELATION_ID_AT, ++correlationId).array());
            if (i >= UNDER_WAY && wire.receive(first + i - UNDER_WAY) == null)
                throw new IOException(step.name + ": no answer, " + wire.outcome());
        }
    }

    /** The first half of a body, once for each version of each API, on a connection of its own. */
    private void tear(Script.Step step, short version, Request request) throws IOException {
        if (request.bodyBytes() < 2)
            return;
        try (Wire wire = new Wire("127.0.0.1", portOf(step.connection))) {
            wire.send(Wire.frame(request.half()));
            byte[] back = wire.receive(request.correlationId);
            ObjectNode line = head(step, back != null ? "ANSWER" : wire.outcome().name());
            line.put("request", "torn/" + step.api.name).put("version", version);
            out.accept(line);
        }
    }

    private void await(Script.Step step) throws IOException {
        Pending asked = pending.remove(step.name);
        if (asked != null)
            receive(asked); // null: no version of the round could express it
    }

    private void receive(Pending asked) throws IOException {
        byte[] frame = asked.wire.receive(asked.request.correlationId);
        if (frame == null) {
            note(asked, asked.wire.outcome().name(), null);
            return;
        }
        JsonNode answer = asked.request.answer(frame);
        long end = System.nanoTime() + UNTIL_TIMEOUT_MS * 1_000_000L;
        while (!isReached(asked.step, answer) && System.nanoTime() < end) {
            sleep();
            Request again = new Request(asked.step, asked.version, fillIn(asked.step.body.toString()), ++correlationId);
            asked.wire.send(Wire.frame(again.content));
            frame = asked.wire.receive(again.correlationId);
            if (frame == null) {
                note(asked, asked.wire.outcome().name(), null);
                return;
            }
            answer = again.answer(frame);
        }
        note(asked, isReached(asked.step, answer) ? "ANSWER" : "NEVER_REACHED", answer);
        for (Script.Clause clause : asked.step.clauses)
            if (clause.word().equals("let"))
                capture(clause.rest(), answer);
    }

    private static void sleep() {
        try {
            Thread.sleep(UNTIL_PAUSE_MS);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** `until PATH = VALUE`: the request is repeated until it holds. */
    private boolean isReached(Script.Step step, JsonNode answer) {
        for (Script.Clause clause : step.clauses) {
            if (!clause.word().equals("until"))
                continue;
            String[] sides = clause.rest().split(" = ");
            if (!find(answer, sides[0]).asText("absent").equals(fillIn(sides[1])))
                return false;
        }
        return true;
    }

    private void capture(String text, JsonNode answer) {
        String[] sides = text.split(" = ");
        JsonNode found = find(answer, sides[1]);
        variables.put(sides[0], found.asText("absent"));
    }

    /** Names, indices, and `field=value` for an element of an array, with slashes between. */
    private static JsonNode find(JsonNode node, String path) {
        JsonNode at = node;
        for (String part : path.split("/")) {
            if (part.contains("=")) {
                String[] sides = part.split("=");
                JsonNode array = at;
                at = JsonNodeFactory.instance.missingNode();
                for (JsonNode element : array)
                    if (element.path(sides[0]).asText().equals(sides[1]))
                        at = element;
            } else {
                at = Character.isDigit(part.charAt(0)) ? at.path(Integer.parseInt(part)) : at.path(part);
            }
        }
        return at;
    }

    private String fillIn(String text) {
        return VARIABLE.matcher(text).replaceAll(m -> {
            String name = m.group(1) != null ? m.group(1) : m.group(2);
            String value = variables.get(name);
            if (value == null)
                throw new IllegalArgumentException("no variable $" + name);
            if (m.group(3) != null)
                value = Long.toString(Long.parseLong(value) + Long.parseLong(m.group(3)));
            return Matcher.quoteReplacement(value);
        });
    }

    private void note(Pending asked, String outcome, JsonNode answer) {
        ObjectNode line = head(asked.step, outcome);
        line.put("listener", isController(asked.step.connection) ? "controller" : "broker");
        line.put("api", asked.step.api.name).put("key", asked.step.api.apiKey()).put("version", asked.version);
        line.put("ms", (System.nanoTime() - asked.startedNs) / 1_000_000);
        if (answer != null)
            line.set("answer", answer);
        out.accept(line);
    }

    private ObjectNode head(Script.Step step, String outcome) {
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.put("request", script.name + "/" + scenario + "/" + step.name).put("round", round).put("outcome", outcome);
        return line;
    }

    private void raw(Script.Step step) throws IOException {
        Wire wire = wire(step.connection);
        wire.send(HexFormat.of().parseHex(step.body));
        byte[] back = wire.receiveFrameOrEnd();
        ObjectNode line = head(step, wire.isClosed() ? "CLOSED" : back.length > 0 ? "ANSWER" : "NO_ANSWER");
        line.putObject("answer").put("bytes", HexFormat.of().formatHex(back));
        out.accept(line);
    }

    private static boolean isController(String connection) {
        return connection.startsWith("controller");
    }

    private int portOf(String connection) {
        return isController(connection) ? port + 1 : port;
    }

    private Wire wire(String name) throws IOException {
        Wire wire = wires.get(name);
        if (wire == null || wire.isClosed()) {
            wire = new Wire("127.0.0.1", portOf(name));
            wires.put(name, wire);
        }
        return wire;
    }

    private void close(String name) throws IOException {
        Wire wire = wires.remove(name);
        if (wire != null)
            wire.close();
    }

    @Override
    public void close() throws IOException {
        for (Wire wire : wires.values())
            wire.close();
    }
}
