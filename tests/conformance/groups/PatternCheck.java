import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/** Puts every pattern of a file (see pattern_check.c) before com.google.re2j, as Apache Kafka does, and compares. */
public final class PatternCheck {
    private static final int FAILURES_SHOWN = 20;
    private static final long STACK_BYTES = 1L << 30;
    private static final int TAKEN = 0;
    private static final int LIMIT = 2;
    private static final java.util.regex.Pattern LITERAL_BRACE = java.util.regex.Pattern.compile("\\{[*+?{]");
    private static final java.util.regex.Pattern LONG_COUNT = java.util.regex.Pattern.compile("[0-9]{9}");

    private int passed;
    private int failed;
    private final Map<String, Integer> differences = new TreeMap<>();

    private PatternCheck() {
    }

    private static String readText(DataInputStream in) throws IOException {
        return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    }

    private void fail(String pattern, String what) {
        if (++failed <= FAILURES_SHOWN)
            System.out.println("pattern " + pattern.replace("\n", "\\n") + ": " + what);
    }

    private void differ(String what) {
        differences.merge(what, 1, Integer::sum);
        passed++;
    }

    /** What we refuse because of its size; re2j may run out of memory over it, so it is not asked. */
    private static String whyTooLarge(String pattern, int outcome, String words) {
        if (outcome == LIMIT)
            return "need more memory than our limit";
        return words.equals("invalid repeat count") && pattern.indexOf('{') != pattern.lastIndexOf('{')
            ? "have counts inside of counts that multiply to more than 1000" : "";
    }

    /** What re2j refuses in its own way. */
    private void onlyTheyRefuse(String pattern, String words) {
        if (words.equals("invalid nested repetition operator") && LITERAL_BRACE.matcher(pattern).find())
            differ("repeat a brace that is text, refused by re2j");
        else if (words.equals("invalid repeat count") && LONG_COUNT.matcher(pattern).find())
            differ("have a count of nine digits or more, which is text to us, refused by re2j");
        else if (words.equals("invalid character class range") && pattern.contains("[:]"))
            differ("have [:] within a class, refused by re2j");
        else
            fail(pattern, "we take it, re2j says: " + words);
    }

    private void bothRefuse(String pattern, String ours, String theirs) {
        if (ours.equals(theirs))
            passed++;
        else
            differ("are refused by both, in other words");
    }

    private void check(DataInputStream in) throws IOException {
        String text = readText(in);
        int outcome = in.readInt();
        String words = readText(in);
        String tooLarge = whyTooLarge(text, outcome, words);
        if (!tooLarge.isEmpty()) {
            in.readInt(); // no subjects
            differ(tooLarge);
            return;
        }
        Pattern pattern = null;
        String refusal = "";
        try {
            pattern = Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            refusal = e.getDescription();
        }
        boolean matchesAlike = true;
        for (int left = in.readInt(); left > 0; left--) {
            String subject = readText(in);
            boolean isMatch = in.readInt() != 0;
            if (pattern != null && pattern.matcher(subject).matches() != isMatch && matchesAlike) {
                fail(text, (isMatch ? "we match " : "re2j matches ") + subject.replace("\n", "\\n"));
                matchesAlike = false;
            }
        }
        if (outcome == TAKEN && pattern == null)
            onlyTheyRefuse(text, refusal);
        else if (outcome != TAKEN && pattern != null)
            fail(text, "re2j takes it, we say: " + words);
        else if (pattern == null)
            bothRefuse(text, words, refusal);
        else if (matchesAlike)
            passed++;
    }

    private void run(String file) throws IOException {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(file), 1 << 20))) {
            int count = in.readInt();
            for (int i = 0; i < count; i++)
                check(in);
        }
        differences.forEach((what, count) -> System.out.println(count + " patterns " + what));
        System.out.println(passed + " passed, " + failed + " failed");
    }

    private static void check(String path) {
        PatternCheck check = new PatternCheck();
        try {
            check.run(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        System.exit(check.failed == 0 ? 0 : 1);
    }

    /** re2j follows a pattern by recursion: the main thread's stack is too small for some. */
    public static void main(String[] arguments) {
        Thread thread = new Thread(null, () -> check(arguments[0]), "check", STACK_BYTES);
        thread.setUncaughtExceptionHandler((t, e) -> {
            e.printStackTrace();
            System.exit(1);
        });
        thread.start();
    }
}
