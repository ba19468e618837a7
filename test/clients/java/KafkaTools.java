import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.BrokerApiVersionsCommand;
import org.apache.kafka.tools.ClusterTool;
import org.apache.kafka.tools.ConsoleProducer;
import org.apache.kafka.tools.DeleteRecordsCommand;
import org.apache.kafka.tools.GetOffsetShell;
import org.apache.kafka.tools.GroupsCommand;
import org.apache.kafka.tools.LogDirsCommand;
import org.apache.kafka.tools.ProducerPerformance;
import org.apache.kafka.tools.TopicCommand;
import org.apache.kafka.tools.VerifiableConsumer;
import org.apache.kafka.tools.VerifiableProducer;
import org.apache.kafka.tools.consumer.ConsoleConsumer;
import org.apache.kafka.tools.consumer.group.ConsumerGroupCommand;

/** Kafka's own command line tools, called by their main methods in one process (a JVM starts slowly). */
final class KafkaTools {
    interface Main {
        void main(String[] args) throws Exception;
    }

    static final class Ended extends RuntimeException {
        final int code;

        Ended(int code, String message) {
            super("exit " + code + (message == null ? "" : ": " + message));
            this.code = code;
        }
    }

    static final PrintStream STDOUT = System.out;
    static final PrintStream STDERR = System.err;
    static final InputStream STDIN = System.in;

    static Ended first;
    static final List<Runnable> hooks = new ArrayList<>();

    static void end(int code, String message) {
        Ended ended = new Ended(code, message);
        if (first == null) {
            first = ended;
        }
        throw ended;
    }

    /** Runs a tool with the given input and --bootstrap-server; gives what it printed. */
    static String tool(Main main, String input, String... args) throws Exception {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", Scenarios.KAFKA));
        all.addAll(Arrays.asList(args));
        return plain(main, input, all.toArray(String[]::new));
    }

    static String plain(Main main, String input, String... args) throws Exception {
        ByteArrayOutputStream captured = new ByteArrayOutputStream();
        PrintStream stream = new PrintStream(captured, true, StandardCharsets.UTF_8);
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setOut(stream);
        System.setErr(stream);
        first = null;
        hooks.clear();
        try {
            main.main(args);
        } catch (Ended ended) {
            // The first exit is the one that counts: some tools catch what this throws and exit again.
        } finally {
            // As a process would: consoles flush and close their clients in these.
            hooks.forEach(Runnable::run);
            System.setIn(STDIN);
            System.setOut(STDOUT);
            System.setErr(STDERR);
        }
        String printed = captured.toString(StandardCharsets.UTF_8);
        if (first != null && first.code != 0) {
            throw new AssertionError(first.getMessage() + "\n" + printed, first);
        }
        return printed;
    }

    /** Runs a tool in a JVM of its own, for those that print their summary in a hook of the runtime. */
    static String process(Class<?> tool, String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-XX:TieredStopAtLevel=1", "-cp",
            System.getProperty("java.class.path"), tool.getName(), "--bootstrap-server", Scenarios.KAFKA));
        command.addAll(Arrays.asList(args));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        Scenarios.equal(process.waitFor(), 0);
        return printed;
    }

    static List<String> lines(String text) {
        return Arrays.stream(text.split("\n")).filter(line -> !line.isBlank()).collect(Collectors.toList());
    }

    static String consume(String topic, int count, String... more) throws Exception {
        List<String> args = new ArrayList<>(List.of("--topic", topic, "--max-messages", String.valueOf(count)));
        args.addAll(List.of("--timeout-ms", "20000"));
        args.addAll(Arrays.asList(more));
        return tool(ConsoleConsumer::main, "", args.toArray(String[]::new));
    }

    static String numbered(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(n -> prefix + n + "\n").collect(Collectors.joining());
    }

    public static void main(String[] args) {
        Exit.setExitProcedure((code, message) -> end(code, message));
        Exit.setHaltProcedure((code, message) -> end(code, message));
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        Scenarios scenarios = new Scenarios();

        scenarios.add("TopicCommand --create --list --describe --alter --delete", () -> {
            String topic = Scenarios.unique("topic");
            String created = tool(TopicCommand::main, "", "--create", "--topic", topic, "--partitions", "3",
                "--replication-factor", "1", "--config", "retention.ms=3600000");
            Scenarios.check(created.contains("Created topic " + topic + "."), created);
            Scenarios.check(lines(tool(TopicCommand::main, "", "--list")).contains(topic), "not listed");
            String described = tool(TopicCommand::main, "", "--describe", "--topic", topic);
            Scenarios.check(described.contains("PartitionCount: 3"), described);
            Scenarios.check(described.contains("ReplicationFactor: 1"), described);
            Scenarios.check(described.contains("retention.ms=3600000"), described);
            Scenarios.equal(lines(described).stream().filter(line -> line.contains("Isr: ")).count(), 3L);
            tool(TopicCommand::main, "", "--alter", "--topic", topic, "--partitions", "5");
            described = tool(TopicCommand::main, "", "--describe", "--topic", topic);
            Scenarios.check(described.contains("PartitionCount: 5"), described);
            AssertionError again = Scenarios.refused(AssertionError.class,
                () -> tool(TopicCommand::main, "", "--create", "--topic", topic));
            Scenarios.check(again.getMessage().contains("already exists"), again.getMessage());
            tool(TopicCommand::main, "", "--create", "--topic", topic, "--if-not-exists");
            tool(TopicCommand::main, "", "--delete", "--topic", topic);
            Scenarios.eventually(() -> !lines(tool(TopicCommand::main, "", "--list")).contains(topic));
            AssertionError gone = Scenarios.refused(AssertionError.class,
                () -> tool(TopicCommand::main, "", "--describe", "--topic", topic));
            Scenarios.check(gone.getMessage().contains("does not exist"), gone.getMessage());
        });

        scenarios.add("ConsoleProducer and ConsoleConsumer --from-beginning", () -> {
            String topic = Scenarios.unique("console");
            tool(ConsoleProducer::main, numbered("line ", 500), "--topic", topic);
            String got = consume(topic, 500, "--from-beginning");
            Scenarios.equal(got.replace("Processed a total of 500 messages\n", ""), numbered("line ", 500));
        });

        scenarios.add("console tools with keys, headers and every codec", () -> {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                String topic = Scenarios.unique(codec);
                String input = "h1:1,h2:two\tkey\tvalue of " + codec + "\nh1:2\tother\tNULL\n";
                tool(ConsoleProducer::main, input, "--topic", topic, "--compression-codec", codec,
                    "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
                    "--reader-property", "null.marker=NULL");
                String got = consume(topic, 2, "--from-beginning", "--formatter-property", "print.key=true",
                    "--formatter-property", "print.headers=true", "--formatter-property", "print.offset=true",
                    "--formatter-property", "print.partition=true");
                List<String> wanted = List.of(
                    "Partition:0\tOffset:0\th1:1,h2:two\tkey\tvalue of " + codec,
                    "Partition:0\tOffset:1\th1:2\tother\tnull");
                Scenarios.equal(lines(got).subList(0, 2), wanted);
            }
        });

        scenarios.add("ConsoleConsumer in a group, ConsumerGroupCommand", () -> {
            String topic = Scenarios.unique("grouped");
            String group = Scenarios.unique("group");
            tool(ConsoleProducer::main, numbered("", 10), "--topic", topic);
            consume(topic, 10, "--from-beginning", "--group", group);
            Scenarios.check(lines(tool(ConsumerGroupCommand::main, "", "--list")).contains(group), "not listed");
            tool(ConsoleProducer::main, numbered("", 5), "--topic", topic);
            String described = tool(ConsumerGroupCommand::main, "", "--describe", "--group", group);
            String row = lines(described).stream().filter(line -> line.contains(topic)).findFirst().orElse(described);
            String[] cells = row.trim().split("\\s+");
            Scenarios.equal(List.of(cells).subList(0, 6), List.of(group, topic, "0", "10", "15", "5"));
            String state = tool(ConsumerGroupCommand::main, "", "--describe", "--group", group, "--state");
            Scenarios.check(state.contains("Empty"), state);
            tool(ConsumerGroupCommand::main, "", "--reset-offsets", "--group", group, "--topic", topic,
                "--to-offset", "3", "--execute");
            Scenarios.equal(lines(consume(topic, 1, "--group", group)).get(0), "3");
            String groups = tool(GroupsCommand::main, "", "--list");
            Scenarios.check(groups.contains(group), groups);
            String deleted = tool(ConsumerGroupCommand::main, "", "--delete", "--group", group);
            Scenarios.check(deleted.contains("successful"), deleted);
            Scenarios.check(!lines(tool(ConsumerGroupCommand::main, "", "--list")).contains(group), "still listed");
        });

        scenarios.add("GetOffsetShell and DeleteRecordsCommand", () -> {
            String topic = Scenarios.unique("offsets");
            tool(ConsoleProducer::main, numbered("", 20), "--topic", topic);
            Scenarios.equal(tool(GetOffsetShell::main, "", "--topic", topic).trim(), topic + ":0:20");
            File file = File.createTempFile("records", ".json");
            Files.writeString(file.toPath(),
                "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":7}],\"version\":1}");
            String deleted = tool(DeleteRecordsCommand::main, "", "--offset-json-file", file.getPath());
            Scenarios.check(deleted.contains("low_watermark: 7"), deleted);
            Scenarios.equal(tool(GetOffsetShell::main, "", "--topic", topic, "--time", "earliest").trim(), topic + ":0:7");
            Scenarios.equal(lines(consume(topic, 1, "--from-beginning")).get(0), "7");
            Files.delete(file.toPath());
        });

        scenarios.add("VerifiableProducer and VerifiableConsumer", () -> {
            String topic = Scenarios.unique("verifiable");
            String produced = process(VerifiableProducer.class, "--topic", topic, "--max-messages", "2000", "--acks", "-1");
            Scenarios.check(produced.contains("\"name\":\"tool_data\""), produced);
            Scenarios.check(produced.contains("\"sent\":2000") && produced.contains("\"acked\":2000"), produced);
            String consumed = process(VerifiableConsumer.class, "--topic", topic, "--group-id", Scenarios.unique("vc"),
                "--max-messages", "2000", "--reset-policy", "earliest");
            Scenarios.check(consumed.contains("partitions_assigned") && consumed.contains("offsets_committed"), consumed);
            Scenarios.check(consumed.contains("\"offset\":2000"), consumed);
        });

        scenarios.add("ProducerPerformance", () -> {
            String topic = Scenarios.unique("performance");
            String report = plain(ProducerPerformance::main, "", "--topic", topic, "--num-records", "20000", "--record-size", "100",
                "--throughput", "-1", "--producer-props", "bootstrap.servers=" + Scenarios.KAFKA, "acks=all", "linger.ms=5");
            Scenarios.check(report.contains("20000 records sent"), report);
            Scenarios.equal(tool(GetOffsetShell::main, "", "--topic", topic).trim(), topic + ":0:20000");
        });

        scenarios.add("BrokerApiVersionsCommand, ClusterTool, LogDirsCommand", () -> {
            String versions = tool(BrokerApiVersionsCommand::main, "");
            for (String api : List.of("Produce(0): 0 to", "Fetch(1): 4 to", "Metadata(3): 0 to", "ApiVersions(18): 0 to",
                "JoinGroup(11): 0 to", "OffsetFetch(9): 1 to", "InitProducerId(22): 0 to")) {
                Scenarios.check(versions.contains(api), api + " missing in\n" + versions);
            }
            String cluster = plain(ClusterTool::main, "", "cluster-id", "--bootstrap-server", Scenarios.KAFKA);
            Scenarios.check(cluster.contains("Cluster ID: "), cluster);
            String topic = Scenarios.unique("dirs");
            tool(ConsoleProducer::main, "x\n", "--topic", topic);
            String directories = tool(LogDirsCommand::main, "", "--describe", "--topic-list", topic);
            Scenarios.check(directories.contains("\"partition\":\"" + topic + "-0\""), directories);
        });

        scenarios.add("ConfigCommand", () -> {
            String topic = Scenarios.unique("configured");
            tool(TopicCommand::main, "", "--create", "--topic", topic);
            Main command = kafka.admin.ConfigCommand::main;
            String[] entity = {"--entity-type", "topics", "--entity-name", topic};
            tool(command, "", join(entity, "--alter", "--add-config", "max.message.bytes=4000,retention.ms=77777"));
            String described = Scenarios.eventually(() -> {
                String text = tool(command, "", join(entity, "--describe"));
                return text.contains("max.message.bytes=4000") ? text : null;
            });
            Scenarios.check(described.contains("retention.ms=77777"), described);
            tool(command, "", join(entity, "--alter", "--delete-config", "max.message.bytes"));
            Scenarios.eventually(() -> !tool(command, "", join(entity, "--describe")).contains("max.message.bytes=4000"));
            String all = tool(command, "", join(entity, "--describe", "--all"));
            Scenarios.check(all.contains("max.message.bytes=1048588"), all);
        });

        scenarios.runAll();
    }

    static String[] join(String[] first, String... second) {
        List<String> all = new ArrayList<>(Arrays.asList(first));
        all.addAll(Arrays.asList(second));
        return all.toArray(String[]::new);
    }
}
