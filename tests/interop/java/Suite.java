import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs named cases, several at once, each within a time limit, and prints one line for each. */
final class Suite {
    interface Body {
        void run(Env env) throws Exception;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    private record Case(String name, Body body) { }

    static final long CASE_TIMEOUT_S = 120;
    private static final int CASES_AT_ONCE = 8; // nearly all of them wait nearly all of the time

    private final List<Case> cases = new ArrayList<>();
    private int passed;
    private int failed;

    void add(String name, Body body) {
        cases.add(new Case(name, body));
    }

    /** Answers the number of failures. */
    int run(String bootstrap, String only) throws InterruptedException {
        ExecutorService runners = Executors.newFixedThreadPool(CASES_AT_ONCE);
        for (Case c : cases)
            if (c.name.contains(only))
                runners.execute(() -> runOne(c, bootstrap));
        runners.shutdown();
        runners.awaitTermination(1, TimeUnit.HOURS); // each case is bounded, so this is only a form
        System.out.println(passed + " passed, " + failed + " failed");
        return failed;
    }

    private void runOne(Case c, String bootstrap) {
        ExecutorService thread = Executors.newSingleThreadExecutor(r -> {
            Thread t = new Thread(r, c.name);
            t.setDaemon(true); // one that hangs must not keep the process
            return t;
        });
        Env env = new Env(bootstrap, c.name);
        Future<?> future = thread.submit(() -> {
            try (env) {
                c.body.run(env);
            }
            return null;
        });
        try {
            future.get(CASE_TIMEOUT_S, TimeUnit.SECONDS);
            report("ok " + c.name, true);
        } catch (ExecutionException e) {
            report("FAIL " + c.name + ": " + describe(e.getCause()), false);
        } catch (TimeoutException e) {
            report("FAIL " + c.name + ": not done after " + CASE_TIMEOUT_S + " s" + where(c.name), false);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        thread.shutdownNow();
    }

    private static String where(String thread) {
        for (var entry : Thread.getAllStackTraces().entrySet())
            if (entry.getKey().getName().equals(thread))
                return place(entry.getValue());
        return "";
    }

    private static String describe(Throwable e) {
        return e + place(e.getStackTrace());
    }

    /** The line of the case that failed. */
    private static String place(StackTraceElement[] trace) {
        for (StackTraceElement at : trace)
            if (at.getClassName().contains("Cases"))
                return " (" + at.getFileName() + ":" + at.getLineNumber() + ")";
        return "";
    }

    private synchronized void report(String line, boolean good) {
        if (good)
            passed++;
        else
            failed++;
        System.out.println(line.replace('\n', ' '));
    }

    static void check(boolean holds, String what) {
        if (!holds)
            throw new AssertionError(what);
    }

    static void same(Object want, Object have, String what) {
        if (want == null ? have != null : !want.equals(have))
            throw new AssertionError(what + ": want " + want + ", have " + have);
    }

    /** Asks again and again, for at most the time of a case. */
    static void await(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CASE_TIMEOUT_S - 10);
        while (!condition.holds()) {
            check(System.nanoTime() < end, "still not: " + what);
            Thread.sleep(20);
        }
    }

    /** The failure must be of this class; futures and retriable wrappers are looked into. */
    static <T extends Throwable> T fails(Class<T> type, Body body) {
        try {
            body.run(null);
        } catch (Throwable e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause())
                if (type.isInstance(cause))
                    return type.cast(cause);
            throw new AssertionError("want " + type.getSimpleName() + ", have " + e, e);
        }
        throw new AssertionError("want " + type.getSimpleName() + ", have success");
    }
}
