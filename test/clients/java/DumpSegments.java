import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

import org.apache.kafka.common.utils.Exit;

/**
 * Calls kafka.tools.DumpLogSegments once for each line of the file named by the first argument (its
 * arguments, separated by blanks): one JVM instead of many.
 */
final class DumpSegments {
    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new IllegalStateException("exit " + code + " " + message);
        });
        List<String> calls = Files.readAllLines(Path.of(args[0]));
        for (String call : calls) {
            System.out.println("# " + call.split(" ")[0]);
            try {
                kafka.tools.DumpLogSegments.main(call.trim().split(" "));
            } catch (Throwable problem) {
                System.out.println("Exception: " + problem);
            }
        }
        System.out.println("# done");
    }
}
