import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs named scenarios one after another and prints a result line for each, then "done". */
final class Scenarios {
    interface Body {
        void run() throws Exception;
    }

    static final String KAFKA = "localhost:" + System.getenv().getOrDefault("KAFKA_PORT", "9092");
    static final int AMQP_PORT = Integer.parseInt(System.getenv().getOrDefault("AMQP_PORT", "5672"));

    private static final PrintStream OUT = System.out;
    private static int count;
    private final Map<String, Body> bodies = new LinkedHashMap<>();

    void add(String name, Body body) {
        bodies.put(name, body);
    }

    void runAll() {
        String filter = System.getenv().getOrDefault("SCENARIO", "");
        ExecutorService executor = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        boolean failed = false;
        for (Map.Entry<String, Body> entry : bodies.entrySet()) {
            if (!entry.getKey().contains(filter)) {
                continue;
            }
            long started = System.nanoTime();
            Throwable problem = null;
            Future<Object> future = executor.submit(() -> {
                entry.getValue().run();
                return null;
            });
            try {
                future.get(90, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                problem = e.getCause();
            } catch (TimeoutException | InterruptedException e) {
                future.cancel(true);
                problem = new AssertionError("no end after 90 s");
            }
            long took = (System.nanoTime() - started) / 1_000_000;
            OUT.println((problem == null ? "ok " : "not ok ") + took + " " + entry.getKey());
            if (problem != null) {
                failed = true;
                StringWriter text = new StringWriter();
                problem.printStackTrace(new PrintWriter(text));
                String[] lines = text.toString().split("\n");
                for (String line : Arrays.copyOf(lines, Math.min(lines.length, 14))) {
                    OUT.println("    " + line.replace("\t", "  "));
                }
            }
            OUT.flush();
        }
        OUT.println("done");
        OUT.flush();
        // Clients leave threads behind that would delay the end.
        Runtime.getRuntime().halt(failed ? 1 : 0);
    }

    static String unique(String name) {
        count += 1;
        return "java-" + name + "-" + Long.toString(System.currentTimeMillis(), 36) + count;
    }

    static String expected(String name) {
        return Objects.requireNonNull(System.getenv("EXPECT_" + name), "EXPECT_" + name);
    }

    static void equal(Object actual, Object wanted) {
        if (!Objects.equals(actual, wanted)) {
            throw new AssertionError("\n  expected " + brief(wanted) + "\n  got      " + brief(actual));
        }
    }

    static void check(boolean condition, Object what) {
        if (!condition) {
            throw new AssertionError(brief(what));
        }
    }

    private static String brief(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 900 ? text : text.substring(0, 450) + " … " + text.substring(text.length() - 450);
    }

    /** Calls until the result is neither null nor false; returns it. */
    static <T> T eventually(Callable<T> callable) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (true) {
            T result = callable.call();
            if (result != null && !Boolean.FALSE.equals(result)) {
                return result;
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError("still " + result + " after 30 s");
            }
            Thread.sleep(50);
        }
    }

    /** Runs the body, which must throw something with the wanted class in its chain of causes. */
    static <E extends Throwable> E refused(Class<E> wanted, Body body) {
        try {
            body.run();
        } catch (Throwable thrown) {
            for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
                if (wanted.isInstance(cause)) {
                    return wanted.cast(cause);
                }
            }
            throw new AssertionError("expected " + wanted.getSimpleName() + ", got " + thrown, thrown);
        }
        throw new AssertionError("not refused: " + wanted.getSimpleName());
    }
}
