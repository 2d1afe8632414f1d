import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.protocol.Message;

/**
 * Cross-checks message codecs against Apache Kafka's own classes by files of messages
 * (see MessageStream).
 *
 * <pre>
 *   list                   name, lowest and highest version of every message, with tabs between
 *   gen OUT SEED COUNT     writes COUNT random instances of every message and version
 *   verify IN [--all]      every entry decodes, is the same bytes when encoded again, and prints
 *                          as the JSON beside it, if there is one; --all: none may be missing
 *   compare A B            the same messages, bytes and JSON in both, in the same order
 * </pre>
 */
public final class CodecCheck {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int FAILURES_SHOWN = 50;
    private static final int TEXT_SHOWN = 400;

    private final Messages messages = new Messages();
    private int passed;
    private int failed;

    public static void main(String[] args) throws IOException {
        CodecCheck check = new CodecCheck();
        String what = args.length == 0 ? "" : args[0];
        if (what.equals("list") && args.length == 1)
            check.list();
        else if (what.equals("gen") && args.length == 4)
            check.generate(args[1], Long.parseLong(args[2]), Integer.parseInt(args[3]));
        else if (what.equals("verify") && (args.length == 2 || (args.length == 3 && args[2].equals("--all"))))
            check.verify(args[1], args.length == 3);
        else if (what.equals("compare") && args.length == 3)
            check.compare(args[1], args[2]);
        else {
            System.err.println("usage: CodecCheck list | gen OUT SEED COUNT | verify IN [--all] | compare A B");
            System.exit(2);
        }
        System.exit(check.failed == 0 ? 0 : 1);
    }

    private void list() {
        for (Messages.Kind kind : messages.all())
            System.out.println(kind.name + "\t" + kind.lowest + "\t" + kind.highest);
    }

    private void generate(String path, long seed, int count) throws IOException {
        try (MessageStream.Writer out = new MessageStream.Writer(path)) {
            for (Messages.Kind kind : messages.all())
                for (short version = kind.lowest; version <= kind.highest; version++) {
                    // Seeded by name and version: a new message does not change the others.
                    var random = new RandomMessage(seed * 31 + (kind.name + version).hashCode());
                    for (int i = 0; i < count; i++) {
                        var style = RandomMessage.Style.values()[Math.min(i, 2)];
                        out.write(entry(kind, version, random.make(kind, version, style)));
                    }
                }
        }
    }

    private static MessageStream.Entry entry(Messages.Kind kind, short version, Message message) throws IOException {
        JsonNode json = kind.json(message, version);
        return new MessageStream.Entry(kind.name, version, kind.encode(message, version),
            json == null ? "" : MAPPER.writeValueAsString(json));
    }

    private void verify(String path, boolean all) throws IOException {
        TreeMap<String, Set<Short>> seen = new TreeMap<>();
        try (MessageStream.Reader in = new MessageStream.Reader(path)) {
            for (MessageStream.Entry entry; (entry = in.read()) != null;) {
                seen.computeIfAbsent(entry.name(), n -> new TreeSet<>()).add(entry.version());
                report(entry, verifyEntry(entry));
            }
        }
        if (all)
            for (Messages.Kind kind : messages.all())
                for (short version = kind.lowest; version <= kind.highest; version++)
                    if (!seen.getOrDefault(kind.name, Set.of()).contains(version))
                        fail(kind.name + " version " + version + " is missing");
        total();
    }

    /** Null if all is well, else what is wrong. */
    private String verifyEntry(MessageStream.Entry entry) {
        try {
            Messages.Kind kind = messages.get(entry.name());
            if (entry.version() < kind.lowest || entry.version() > kind.highest)
                return "no such version";
            Message message = kind.decode(entry.bytes(), entry.version());
            MessageStream.Entry ours = entry(kind, entry.version(), message);
            if (!Arrays.equals(ours.bytes(), entry.bytes()))
                return "encoded again it is " + hex(ours.bytes());
            return entry.json().isEmpty() ? null : jsonDifference(ours.json(), entry.json());
        } catch (RuntimeException | IOException e) {
            return e.toString();
        }
    }

    private void compare(String path_a, String path_b) throws IOException {
        try (MessageStream.Reader a = new MessageStream.Reader(path_a);
             MessageStream.Reader b = new MessageStream.Reader(path_b)) {
            for (;;) {
                MessageStream.Entry x = a.read();
                MessageStream.Entry y = b.read();
                if (x == null && y == null)
                    break;
                if (x == null || y == null || !x.name().equals(y.name()) || x.version() != y.version()) {
                    fail("the files part at " + title(x) + " and " + title(y));
                    break;
                }
                report(x, compareEntries(x, y));
            }
        }
        total();
    }

    private static String compareEntries(MessageStream.Entry x, MessageStream.Entry y) throws IOException {
        if (!Arrays.equals(x.bytes(), y.bytes()))
            return "became " + hex(y.bytes());
        return x.json().isEmpty() ? null : jsonDifference(x.json(), y.json());
    }

    /** Compared as trees; order of members and the way a number is written do not matter. */
    private static String jsonDifference(String want, String have) throws IOException {
        return difference("", MAPPER.readTree(want), MAPPER.readTree(have));
    }

    private static String difference(String path, JsonNode want, JsonNode have) {
        if (want.isObject() && have.isObject()) {
            Set<String> names = new TreeSet<>();
            want.fieldNames().forEachRemaining(names::add);
            have.fieldNames().forEachRemaining(names::add);
            for (String name : names) {
                if (!want.has(name) || !have.has(name))
                    return "JSON: only " + (want.has(name) ? "Kafka" : "the other") + " has " + path + "/" + name;
                String d = difference(path + "/" + name, want.get(name), have.get(name));
                if (d != null)
                    return d;
            }
            return null;
        }
        if (want.isArray() && have.isArray() && want.size() == have.size()) {
            for (int i = 0; i < want.size(); i++) {
                String d = difference(path + "/" + i, want.get(i), have.get(i));
                if (d != null)
                    return d;
            }
            return null;
        }
        boolean same = want.isDouble() && have.isNumber() ? want.doubleValue() == have.doubleValue() : want.equals(have);
        return same ? null : "JSON: at " + path + " Kafka has " + cut(want.toString()) + ", the other " + cut(have.toString());
    }

    private void report(MessageStream.Entry entry, String why) {
        if (why == null)
            passed++;
        else
            fail(title(entry) + " " + hex(entry.bytes()) + ": " + why);
    }

    private void fail(String why) {
        if (++failed <= FAILURES_SHOWN)
            System.out.println("FAIL " + why);
        else if (failed == FAILURES_SHOWN + 1)
            System.out.println("(more failures are not shown)");
    }

    private void total() {
        System.out.println(passed + " passed, " + failed + " failed");
    }

    private static String title(MessageStream.Entry entry) {
        return entry == null ? "the end" : entry.name() + " version " + entry.version();
    }

    private static String hex(byte[] bytes) {
        return cut(HexFormat.of().formatHex(bytes));
    }

    private static String cut(String text) {
        return text.length() <= TEXT_SHOWN ? text : text.substring(0, TEXT_SHOWN) + "… (" + text.length() + " characters)";
    }
}
