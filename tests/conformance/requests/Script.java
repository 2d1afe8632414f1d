import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.message.ApiMessageType;

/**
 * A script of requests, as README.md describes the notation.
 *
 * <pre>
 *   [scenario ROUNDS]
 *   name: Api VERSIONS @connection {body}
 *       {the body goes on}
 *       clause
 *   await name
 *   raw name @connection HEX
 *   close @connection
 *   set name VALUE
 * </pre>
 */
final class Script {
    enum Act { REQUEST, AWAIT, RAW, CLOSE, SET }

    /** One indented word under a request, with the rest of its line. */
    record Clause(String word, String rest) { }

    static final class Step {
        final int line;
        final Act act;
        String name = "";
        String connection = "main";
        ApiMessageType api;
        String versions = "";
        final StringBuilder body = new StringBuilder();
        final List<Clause> clauses = new ArrayList<>();

        private Step(int line, Act act) {
            this.line = line;
            this.act = act;
        }

        /** Null where the request has no such clause. */
        String clause(String word) {
            for (Clause clause : clauses)
                if (clause.word.equals(word))
                    return clause.rest;
            return null;
        }

        /** Whether clauses make it something else than a request of its API and version. */
        boolean isDamaged() {
            return clauses.stream().anyMatch(c -> DAMAGES.contains(c.word));
        }

        /** The versions of this step, ascending; the round matters where the notation says `=`. */
        List<Short> versions(int round) {
            short lowest = api.lowestSupportedVersion();
            short highest = api.highestSupportedVersion(false);
            String range = versions.startsWith("=") ? versions.substring(1) : versions;
            int from = lowest;
            int to = highest;
            if (range.equals("max")) {
                from = highest;
            } else if (!range.isEmpty()) {
                Matcher m = RANGE.matcher(range);
                if (!m.matches())
                    throw new IllegalArgumentException("line " + line + ": versions '" + versions + "'");
                from = Integer.parseInt(m.group(1));
                to = m.group(2) == null ? from : m.group(3).isEmpty() ? highest : Integer.parseInt(m.group(3));
            }
            int only = Math.min(lowest + round, highest);
            List<Short> out = new ArrayList<>();
            for (int v = from; v <= to; v++)
                if (!versions.startsWith("=") || v == only)
                    out.add((short) v);
            return out;
        }
    }

    static final class Scenario {
        final String name;
        final int rounds;
        final List<Step> steps = new ArrayList<>();

        private Scenario(String name, int rounds) {
            this.name = name;
            this.rounds = rounds;
        }
    }

    private static final Set<String> DAMAGES = Set.of("cut", "tail", "at", "claim", "answer");
    private static final Set<String> CLAUSES = Set.of("let", "until", "later", "unanswered", "after");
    private static final Pattern RANGE = Pattern.compile("(\\d+)([-+](\\d*))?");
    private static final Pattern HEAD = Pattern.compile("\\[([a-z0-9-]+)(?: (\\d+))?\\]");
    private static final Pattern REQUEST =
        Pattern.compile("([a-z0-9-]+): ([A-Za-z]+)(?: (=?(?:max|\\d+(?:-\\d+|\\+)?)?))??(?: @([a-z0-9-]+))?(?: ?(\\{.*))?");
    private static final Pattern OTHER = Pattern.compile("(await|raw|close|set)(?: ([a-zA-Z0-9-]+))?(?: @([a-z0-9-]+))?(?: ([\\w-]+))?");

    final String name;
    final List<Scenario> scenarios = new ArrayList<>();

    Script(Path path) throws IOException {
        name = path.getFileName().toString().replace(".txt", "");
        List<String> lines = Files.readAllLines(path, StandardCharsets.UTF_8);
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).stripTrailing();
            if (line.isEmpty() || line.stripLeading().startsWith("#"))
                continue;
            try {
                add(line, i + 1);
            } catch (RuntimeException e) {
                throw new IOException(path + ":" + (i + 1) + ": " + e.getMessage() + ": " + line, e);
            }
        }
    }

    private void add(String line, int number) {
        if (Character.isWhitespace(line.charAt(0))) {
            List<Step> steps = last().steps;
            addToStep(steps.get(steps.size() - 1), line.strip());
            return;
        }
        Matcher head = HEAD.matcher(line);
        if (head.matches()) {
            scenarios.add(new Scenario(head.group(1), head.group(2) == null ? 1 : Integer.parseInt(head.group(2))));
            return;
        }
        Matcher request = REQUEST.matcher(line);
        Matcher other = OTHER.matcher(line);
        if (request.matches())
            last().steps.add(request(request, number));
        else if (other.matches())
            last().steps.add(other(other, number));
        else
            throw new IllegalArgumentException("not understood");
    }

    private Scenario last() {
        return scenarios.get(scenarios.size() - 1);
    }

    private static void addToStep(Step step, String text) {
        int space = text.indexOf(' ');
        String word = space < 0 ? text : text.substring(0, space);
        if (CLAUSES.contains(word) || DAMAGES.contains(word))
            step.clauses.add(new Clause(word, space < 0 ? "" : text.substring(space + 1).strip()));
        else
            step.body.append(' ').append(text);
    }

    private static Step request(Matcher m, int number) {
        Step step = new Step(number, Act.REQUEST);
        step.name = m.group(1);
        step.api = api(m.group(2));
        step.versions = m.group(3) == null ? "" : m.group(3);
        step.connection = m.group(4) == null ? "main" : m.group(4);
        if (m.group(5) != null)
            step.body.append(m.group(5));
        return step;
    }

    private static Step other(Matcher m, int number) {
        Step step = new Step(number, Act.valueOf(m.group(1).toUpperCase(java.util.Locale.ROOT)));
        step.name = m.group(2) == null ? "" : m.group(2);
        step.connection = m.group(3) == null ? "main" : m.group(3);
        step.body.append(m.group(4) == null ? "" : m.group(4));
        return step;
    }

    private static ApiMessageType api(String name) {
        for (ApiMessageType type : ApiMessageType.values())
            if (type.name.equals(name))
                return type;
        throw new IllegalArgumentException("no API " + name);
    }
}
