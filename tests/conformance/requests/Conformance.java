import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Plays scripts to several brokers at once, each in a thread of its own, and writes down what each answered.
 *
 * <pre>
 *   Conformance OUT NAME=PORT… -- SCRIPT…     OUT/NAME.jsonl, one line an answer; PORT + 1 is the controller's
 * </pre>
 */
public final class Conformance {
    private Conformance() { }

    private static void play(Path out, int port, List<Script> scripts, long nowMs) {
        try (BufferedWriter writer = Files.newBufferedWriter(out)) {
            Set<String> torn = new HashSet<>();
            for (Script script : scripts) {
                try (Player player = new Player(script, port, nowMs, torn, answer -> write(writer, answer))) {
                    player.play();
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(out.toString(), e);
        }
    }

    private static void write(BufferedWriter writer, JsonNode answer) {
        try {
            writer.write(answer.toString());
            writer.newLine();
            writer.flush();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        List<String> words = List.of(args);
        int split = words.indexOf("--");
        List<Script> scripts = new ArrayList<>();
        for (String path : words.subList(split + 1, words.size()))
            scripts.add(new Script(Path.of(path)));
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = new ArrayList<>();
        long nowMs = System.currentTimeMillis(); // one for all: what scripts call $now
        for (String target : words.subList(1, split)) {
            String[] parts = target.split("=");
            Path out = Path.of(words.get(0), parts[0] + ".jsonl");
            Thread thread = new Thread(() -> play(out, Integer.parseInt(parts[1]), scripts, nowMs), parts[0]);
            thread.setUncaughtExceptionHandler((t, e) -> {
                e.printStackTrace();
                synchronized (failures) {
                    failures.add(e);
                }
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads)
            thread.join();
        if (!failures.isEmpty())
            System.exit(1);
    }
}
