import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command-line tools, one after the other, in one process: a process for each would take a second of
 * both cores. A request on standard input is a count and that many texts, each a length and its bytes: the main class, what
 * the tool shall read, seconds that it may take, and its arguments. The answer on standard output is the exit code (124: time was up)
 * and two texts, what it wrote to standard output and to standard error.
 *
 * Each run gets the tools' classes anew, because they keep counters in static fields; the clients' classes are shared.
 */
final class Tools {
    private static final int TIME_IS_UP = 124;
    private static final List<String> OWN = List.of("org.apache.kafka.tools.", "kafka.tools.", "kafka.admin.", "kafka.utils.");

    private final List<Runnable> hooks = new ArrayList<>();
    private volatile CompletableFuture<Integer> ended;

    public static void main(String[] args) throws Exception {
        new Tools().serve(new DataInputStream(System.in), new DataOutputStream(new FileOutputStream(FileDescriptor.out)));
    }

    private Tools() {
        Exit.setExitProcedure((status, message) -> end(status));
        Exit.setHaltProcedure((status, message) -> end(status));
        Exit.setShutdownHookAdder((name, hook) -> {
            synchronized (hooks) {
                hooks.add(hook);
            }
        });
    }

    /** A process that exits runs its hooks; its threads go no further. */
    private void end(int status) {
        CompletableFuture<Integer> mine = ended;
        List<Runnable> due;
        synchronized (hooks) {
            due = List.copyOf(hooks);
            hooks.clear();
        }
        due.forEach(Runnable::run);
        mine.complete(status);
        while (true) {
            try {
                Thread.sleep(Long.MAX_VALUE);
            } catch (InterruptedException e) {
                // stays where it is
            }
        }
    }

    private static String text(DataInputStream in) throws IOException {
        return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    }

    private void serve(DataInputStream in, DataOutputStream out) throws Exception {
        while (true) {
            String[] request;
            try {
                request = new String[in.readInt()];
            } catch (EOFException e) {
                System.exit(0);
                return;
            }
            for (int i = 0; i < request.length; i++)
                request[i] = text(in);
            var stdout = new ByteArrayOutputStream();
            var stderr = new ByteArrayOutputStream();
            int status = run(request[0], request[1], Long.parseLong(request[2]), Arrays.copyOfRange(request, 3, request.length), stdout, stderr);
            out.writeInt(status);
            for (var written : List.of(stdout, stderr)) {
                out.writeInt(written.size());
                written.writeTo(out);
            }
            out.flush();
        }
    }

    private int run(String name, String input, long seconds, String[] args, ByteArrayOutputStream stdout,
                    ByteArrayOutputStream stderr) throws Exception {
        ended = new CompletableFuture<>();
        CompletableFuture<Integer> mine = ended;
        synchronized (hooks) {
            hooks.clear();
        }
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(stdout, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(stderr, true, StandardCharsets.UTF_8));
        var loader = new Loader();
        var thread = new Thread(() -> {
            try {
                loader.loadClass(name).getMethod("main", String[].class).invoke(null, (Object) args);
                end(0);
            } catch (InvocationTargetException e) {
                e.getCause().printStackTrace(); // as the virtual machine does with what main throws
                end(1);
            } catch (ReflectiveOperationException e) {
                e.printStackTrace();
                end(126);
            }
        }, name);
        thread.setDaemon(true);
        thread.setContextClassLoader(loader);
        thread.start();
        int status;
        try {
            status = mine.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            status = TIME_IS_UP;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
        System.out.flush();
        System.err.flush();
        return status;
    }

    /** The tools' classes from their jars, the rest from above. */
    private static final class Loader extends URLClassLoader {
        Loader() {
            super(jars(), Tools.class.getClassLoader());
        }

        private static URL[] jars() {
            return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(path -> path.endsWith(".jar")).map(path -> {
                    try {
                        return new File(path).toURI().toURL();
                    } catch (MalformedURLException e) {
                        throw new IllegalArgumentException(e);
                    }
                }).toArray(URL[]::new);
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            synchronized (getClassLoadingLock(name)) {
                if (OWN.stream().noneMatch(name::startsWith))
                    return super.loadClass(name, resolve);
                Class<?> found = findLoadedClass(name);
                return found != null ? found : findClass(name);
            }
        }
    }
}
