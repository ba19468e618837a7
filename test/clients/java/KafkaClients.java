import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's own Java client: the reference for what a broker must answer. */
final class KafkaClients {
    static final String ASSIGNORS = "org.apache.kafka.clients.consumer.";
    static Admin admin;

    static Properties properties(Object... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", Scenarios.KAFKA);
        for (int n = 0; n < pairs.length; n += 2) {
            properties.put(pairs[n], pairs[n + 1]);
        }
        return properties;
    }

    static KafkaProducer<byte[], byte[]> producer(Object... pairs) {
        return new KafkaProducer<>(properties(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Object... pairs) {
        Properties properties = properties("auto.offset.reset", "earliest", "enable.auto.commit", "false",
            "session.timeout.ms", "8000", "heartbeat.interval.ms", "300");
        properties.putAll(properties(pairs));
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    static String create(String name, int partitions, Map<String, String> configs) throws Exception {
        String topic = Scenarios.unique(name);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        // Kafka tells a new topic's creation before all of its parts know of it.
        Scenarios.eventually(() -> {
            try {
                return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == partitions;
            } catch (java.util.concurrent.ExecutionException e) {
                return false;
            }
        });
        return topic;
    }

    static void fill(String topic, int partition, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (int n = 0; n < count; n++) {
                producer.send(new ProducerRecord<>(topic, partition, null, bytes(partition + "-" + n)));
            }
        }
    }

    static List<ConsumerRecord<byte[], byte[]>> take(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (records.size() < count) {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            Scenarios.check(System.nanoTime() < deadline, records.size() + " of " + count + " records");
        }
        Scenarios.equal(records.size(), count);
        return records;
    }

    static List<ConsumerRecord<byte[], byte[]>> read(String topic, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("check.crcs", "true")) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition())).collect(Collectors.toList());
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            List<ConsumerRecord<byte[], byte[]>> records = take(consumer, count);
            Scenarios.equal(consumer.poll(Duration.ofMillis(200)).count(), 0);
            return records;
        }
    }

    static List<String> values(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(record -> text(record.value())).collect(Collectors.toList());
    }

    /** Members of one group, polled in turn from one thread. */
    static final class Group implements AutoCloseable {
        final List<KafkaConsumer<byte[], byte[]>> members = new ArrayList<>();
        final List<String> values = new ArrayList<>();
        final String topic;
        final String id;

        Group(String topic) {
            this.topic = topic;
            this.id = Scenarios.unique("group");
        }

        KafkaConsumer<byte[], byte[]> join(Object... pairs) {
            List<Object> all = new ArrayList<>(Arrays.asList(pairs));
            all.addAll(List.of("group.id", id));
            KafkaConsumer<byte[], byte[]> member = consumer(all.toArray());
            member.subscribe(List.of(topic));
            members.add(member);
            return member;
        }

        void poll() {
            for (KafkaConsumer<byte[], byte[]> member : members) {
                member.poll(Duration.ofMillis(50)).forEach(record -> values.add(text(record.value())));
            }
        }

        static Set<Integer> owned(KafkaConsumer<byte[], byte[]> member) {
            return member.assignment().stream().map(TopicPartition::partition).collect(Collectors.toCollection(TreeSet::new));
        }

        /** Polls until every partition has exactly one owner and no member is idle. */
        void settle(int partitions) throws Exception {
            Scenarios.eventually(() -> {
                poll();
                List<Integer> all = new ArrayList<>();
                boolean idle = false;
                for (KafkaConsumer<byte[], byte[]> member : members) {
                    all.addAll(owned(member));
                    idle |= owned(member).isEmpty();
                }
                return !idle && all.size() == partitions && new HashSet<>(all).size() == partitions;
            });
        }

        void leave(KafkaConsumer<byte[], byte[]> member) {
            members.remove(member);
            member.close();
        }

        @Override
        public void close() {
            members.forEach(KafkaConsumer::close);
        }
    }

    static void rebalances(String assignor) throws Exception {
        String topic = create("shared", 6, Map.of());
        try (Group group = new Group(topic)) {
            KafkaConsumer<byte[], byte[]> first = group.join("partition.assignment.strategy", ASSIGNORS + assignor);
            group.settle(6);
            group.join("partition.assignment.strategy", ASSIGNORS + assignor);
            group.settle(6);
            group.join("partition.assignment.strategy", ASSIGNORS + assignor);
            group.settle(6);
            for (int partition = 0; partition < 6; partition++) {
                fill(topic, partition, 5);
            }
            Scenarios.eventually(() -> {
                group.poll();
                return group.values.size() >= 30;
            });
            Scenarios.equal(new HashSet<>(group.values).size(), 30);
            group.leave(first);
            group.settle(6);
            Scenarios.equal(group.members.size(), 2);
        }
    }

    public static void main(String[] args) {
        admin = Admin.create(properties());
        Scenarios scenarios = new Scenarios();

        scenarios.add("every codec, with and without idempotence", () -> {
            List<String> wanted = IntStream.range(0, 2000).mapToObj(n -> "value " + n + " ".repeat(n % 90)).collect(Collectors.toList());
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                for (boolean idempotent : new boolean[] {true, false}) {
                    String topic = create(codec, 1, Map.of());
                    try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", codec, "linger.ms", "10",
                        "enable.idempotence", idempotent)) {
                        wanted.forEach(value -> producer.send(new ProducerRecord<>(topic, bytes(value))));
                    }
                    List<ConsumerRecord<byte[], byte[]>> records = read(topic, 2000);
                    Scenarios.equal(values(records), wanted);
                    Scenarios.equal(records.get(1999).offset(), 1999L);
                }
            }
        });

        scenarios.add("keys, headers, tombstones, timestamps", () -> {
            String topic = create("shapes", 1, Map.of());
            try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", "20")) {
                ProducerRecord<byte[], byte[]> rich = new ProducerRecord<>(topic, 0, 1_600_000_000_000L, bytes("k"), bytes("v"));
                rich.headers().add(new RecordHeader("a", bytes("1"))).add(new RecordHeader("a", bytes("2"))).add(new RecordHeader("n", (byte[]) null));
                Future<RecordMetadata> sent = producer.send(rich);
                producer.send(new ProducerRecord<>(topic, 0, 1_600_000_001_000L, bytes("tombstone"), (byte[]) null));
                producer.send(new ProducerRecord<>(topic, 0, 1_600_000_002_000L, (byte[]) null, (byte[]) null));
                producer.flush();
                RecordMetadata metadata = sent.get();
                Scenarios.equal(List.of(metadata.offset(), metadata.timestamp(), metadata.serializedKeySize()), List.of(0L, 1_600_000_000_000L, 1));
            }
            List<ConsumerRecord<byte[], byte[]>> records = read(topic, 3);
            Scenarios.equal(records.stream().map(r -> text(r.key()) + "=" + text(r.value()) + "@" + r.timestamp()).collect(Collectors.toList()),
                List.of("k=v@1600000000000", "tombstone=null@1600000001000", "null=null@1600000002000"));
            List<String> headers = new ArrayList<>();
            records.get(0).headers().forEach(header -> headers.add(header.key() + "=" + text(header.value())));
            Scenarios.equal(headers, List.of("a=1", "a=2", "n=null"));
            Scenarios.equal(records.get(0).leaderEpoch().isPresent(), true);
        });

        scenarios.add("acks 0, 1 and all", () -> {
            String topic = create("acks", 1, Map.of());
            for (String acks : List.of("0", "1", "all")) {
                try (KafkaProducer<byte[], byte[]> producer = producer("acks", acks, "enable.idempotence", "false")) {
                    for (int n = 0; n < 100; n++) {
                        producer.send(new ProducerRecord<>(topic, bytes(acks + n)));
                    }
                }
            }
            Scenarios.equal(new HashSet<>(values(read(topic, 300))).size(), 300);
        });

        scenarios.add("record too large", () -> {
            String topic = create("small", 1, Map.of("max.message.bytes", "1000"));
            try (KafkaProducer<byte[], byte[]> producer = producer()) {
                Scenarios.refused(RecordTooLargeException.class, () -> producer.send(new ProducerRecord<>(topic, new byte[2000])).get());
                Scenarios.equal(producer.send(new ProducerRecord<>(topic, new byte[500])).get().offset(), 0L);
            }
            Scenarios.equal(read(topic, 1).get(0).value().length, 500);
        });

        for (String assignor : List.of("RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor")) {
            scenarios.add("rebalancing with " + assignor, () -> rebalances(assignor));
        }

        scenarios.add("static members return, and duplicates are fenced", () -> {
            String topic = create("static", 4, Map.of());
            try (Group group = new Group(topic)) {
                KafkaConsumer<byte[], byte[]> one = group.join("group.instance.id", "one");
                KafkaConsumer<byte[], byte[]> two = group.join("group.instance.id", "two");
                group.settle(4);
                Set<Integer> mine = Group.owned(one);
                int generation = two.groupMetadata().generationId();
                group.leave(one);
                KafkaConsumer<byte[], byte[]> again = group.join("group.instance.id", "one");
                Scenarios.eventually(() -> {
                    group.poll();
                    return Group.owned(again).equals(mine);
                });
                Scenarios.equal(two.groupMetadata().generationId(), generation);
                KafkaConsumer<byte[], byte[]> usurper = group.join("group.instance.id", "two");
                Scenarios.refused(FencedInstanceIdException.class, () -> Scenarios.eventually(() -> {
                    usurper.poll(Duration.ofMillis(100));
                    two.poll(Duration.ofMillis(100));
                    return null;
                }));
            }
        });

        scenarios.add("commits: sync, async, metadata, resume", () -> {
            String topic = create("commits", 2, Map.of());
            fill(topic, 0, 10);
            fill(topic, 1, 10);
            String group = Scenarios.unique("group");
            TopicPartition zero = new TopicPartition(topic, 0);
            TopicPartition one = new TopicPartition(topic, 1);
            try (KafkaConsumer<byte[], byte[]> consumer = consumer("group.id", group)) {
                consumer.subscribe(List.of(topic));
                take(consumer, 20);
                consumer.commitSync(Map.of(zero, new OffsetAndMetadata(4, "noted"), one, new OffsetAndMetadata(10)));
                Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(Set.of(zero, one));
                Scenarios.equal(committed.get(zero).offset() + committed.get(zero).metadata(), "4noted");
                List<Exception> problems = new ArrayList<>();
                List<Map<TopicPartition, OffsetAndMetadata>> done = new ArrayList<>();
                consumer.commitAsync(Map.of(zero, new OffsetAndMetadata(6)), (offsets, exception) -> {
                    done.add(offsets);
                    if (exception != null) {
                        problems.add(exception);
                    }
                });
                Scenarios.eventually(() -> {
                    consumer.poll(Duration.ofMillis(50));
                    return !done.isEmpty();
                });
                Scenarios.equal(problems, List.of());
            }
            try (KafkaConsumer<byte[], byte[]> consumer = consumer("group.id", group)) {
                consumer.subscribe(List.of(topic));
                Scenarios.equal(values(take(consumer, 4)), List.of("0-6", "0-7", "0-8", "0-9"));
                Scenarios.equal(consumer.currentLag(zero).getAsLong(), 0L);
            }
        });

        scenarios.add("positions: begin, end, times, out of range", () -> {
            String topic = create("positions", 1, Map.of());
            try (KafkaProducer<byte[], byte[]> producer = producer()) {
                for (int n = 0; n < 10; n++) {
                    producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + n * 1000, null, bytes("" + n))).get();
                }
            }
            TopicPartition partition = new TopicPartition(topic, 0);
            try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "none")) {
                consumer.assign(List.of(partition));
                Scenarios.equal(consumer.beginningOffsets(List.of(partition)).get(partition), 0L);
                Scenarios.equal(consumer.endOffsets(List.of(partition)).get(partition), 10L);
                Scenarios.equal(consumer.offsetsForTimes(Map.of(partition, 1_700_000_003_001L)).get(partition).offset(), 4L);
                Scenarios.equal(consumer.offsetsForTimes(Map.of(partition, 1_700_000_009_001L)).get(partition), null);
                consumer.seek(partition, 8);
                Scenarios.equal(values(take(consumer, 2)), List.of("8", "9"));
                consumer.seek(partition, 50);
                OffsetOutOfRangeException error = Scenarios.refused(OffsetOutOfRangeException.class, () -> Scenarios.eventually(() -> {
                    consumer.poll(Duration.ofMillis(100));
                    return null;
                }));
                Scenarios.equal(error.offsetOutOfRangePartitions(), Map.of(partition, 50L));
            }
            Map<String, OffsetSpec> specs = Map.of("earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(),
                "max", OffsetSpec.maxTimestamp(), "time", OffsetSpec.forTimestamp(1_700_000_005_000L));
            Map<String, Long> wanted = Map.of("earliest", 0L, "latest", 10L, "max", 9L, "time", 5L);
            for (String name : specs.keySet()) {
                ListOffsetsResultInfo info = admin.listOffsets(Map.of(partition, specs.get(name))).all().get().get(partition);
                Scenarios.equal(name + info.offset(), name + wanted.get(name));
            }
        });

        scenarios.add("admin: topics by name and by id", () -> {
            String topic = create("admin", 2, Map.of("retention.bytes", "1000000"));
            TopicDescription described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            Scenarios.equal(described.partitions().size(), 2);
            Scenarios.check(!described.topicId().equals(Uuid.ZERO_UUID), "a zero topic id");
            Scenarios.check(!described.isInternal(), "internal");
            Uuid id = described.topicId();
            Scenarios.equal(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id).name(), topic);
            Scenarios.refused(TopicExistsException.class, () -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get());
            Scenarios.refused(InvalidTopicException.class, () -> admin.createTopics(List.of(new NewTopic("a b", 1, (short) 1))).all().get());
            Scenarios.refused(InvalidPartitionsException.class,
                () -> admin.createTopics(List.of(new NewTopic(Scenarios.unique("t"), 0, (short) 1))).all().get());
            Scenarios.refused(InvalidConfigurationException.class,
                () -> admin.createTopics(List.of(new NewTopic(Scenarios.unique("t"), 1, (short) 1).configs(Map.of("nonsense", "1")))).all().get());
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            Scenarios.eventually(() -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 3);
            Scenarios.refused(InvalidPartitionsException.class, () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get());
            admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
            Scenarios.eventually(() -> !admin.listTopics().names().get().contains(topic));
            Scenarios.refused(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of(topic)).all().get());
            Scenarios.refused(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of(topic)).allTopicNames().get());
        });

        scenarios.add("admin: replication factor beyond one broker", () -> {
            String outcome = "accepted";
            try {
                admin.createTopics(List.of(new NewTopic(Scenarios.unique("rf3"), 1, (short) 3))).all().get();
            } catch (Exception e) {
                outcome = e.getCause() instanceof InvalidReplicationFactorException ? "refused" : e.getCause().toString();
            }
            Scenarios.equal(outcome, Scenarios.expected("replication_factor_3"));
        });

        scenarios.add("admin: configs", () -> {
            String topic = create("configured", 1, Map.of());
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Map<String, ConfigEntry> entries = new HashMap<>();
            admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().forEach(entry -> entries.put(entry.name(), entry));
            Map<String, String> defaults = Map.of("cleanup.policy", "delete", "retention.ms", "604800000", "segment.bytes", "1073741824",
                "max.message.bytes", "1048588", "compression.type", "producer", "min.compaction.lag.ms", "0",
                "message.timestamp.type", "CreateTime", "preallocate", "false", "segment.index.bytes", "10485760");
            defaults.forEach((name, value) -> Scenarios.equal(name + "=" + entries.get(name).value(), name + "=" + value));
            Scenarios.equal(entries.get("cleanup.policy").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", "5000"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "delete"), AlterConfigOp.OpType.APPEND)))).all().get();
            Scenarios.eventually(() -> {
                ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms");
                return entry.value().equals("5000") && entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG;
            });
            Scenarios.refused(InvalidConfigurationException.class, () -> admin.incrementalAlterConfigs(Map.of(resource, List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get());
            String node = String.valueOf(admin.describeCluster().nodes().get().iterator().next().id());
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node);
            Scenarios.check(admin.describeConfigs(List.of(broker)).all().get().get(broker).entries().size() > 5, "broker configs");
        });

        scenarios.add("admin: delete records", () -> {
            String topic = create("trimmed", 1, Map.of());
            fill(topic, 0, 20);
            TopicPartition partition = new TopicPartition(topic, 0);
            long low = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(15))).lowWatermarks().get(partition).get().lowWatermark();
            Scenarios.equal(low, 15L);
            Scenarios.equal(values(read(topic, 5)).get(0), "0-15");
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all().get();
            try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                Scenarios.equal(consumer.beginningOffsets(List.of(partition)).get(partition), 20L);
            }
        });

        scenarios.add("admin: groups", () -> {
            String topic = create("listed", 1, Map.of());
            fill(topic, 0, 3);
            try (Group group = new Group(topic)) {
                KafkaConsumer<byte[], byte[]> member = group.join("client.id", "somebody");
                group.settle(1);
                member.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(2)));
                Scenarios.check(admin.listConsumerGroups().all().get().stream().anyMatch(listing -> listing.groupId().equals(group.id)), "not listed");
                var described = admin.describeConsumerGroups(List.of(group.id)).all().get().get(group.id);
                Scenarios.equal(described.groupState().toString() + described.members().size() + described.partitionAssignor(), "Stable1range");
                Scenarios.equal(described.members().iterator().next().clientId(), "somebody");
                Scenarios.refused(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group.id)).all().get());
                group.leave(member);
                Scenarios.equal(admin.listConsumerGroupOffsets(group.id).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, 0)).offset(), 2L);
                admin.deleteConsumerGroupOffsets(group.id, Set.of(new TopicPartition(topic, 0))).all().get();
                Scenarios.equal(admin.listConsumerGroupOffsets(group.id).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, 0)), null);
                // Without members and without offsets a group may already be gone.
                try {
                    admin.deleteConsumerGroups(List.of(group.id)).all().get();
                } catch (Exception e) {
                    Scenarios.check(e.getCause() instanceof GroupIdNotFoundException, e);
                }
                Scenarios.refused(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of(group.id)).all().get());
            }
        });

        scenarios.add("admin: cluster and features", () -> {
            Scenarios.check(!admin.describeCluster().clusterId().get().isEmpty(), "no cluster id");
            Scenarios.equal(admin.describeCluster().nodes().get().size(), 1);
            admin.describeFeatures().featureMetadata().get();
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            Scenarios.equal(admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).size() >= 1, true);
        });

        scenarios.add("auto created topic, and none without consent", () -> {
            String topic = Scenarios.unique("auto");
            try (KafkaConsumer<byte[], byte[]> consumer = consumer("allow.auto.create.topics", "false")) {
                Scenarios.equal(consumer.listTopics().containsKey(topic), false);
                Scenarios.equal(consumer.partitionsFor(topic, Duration.ofSeconds(2)) == null
                    || consumer.partitionsFor(topic, Duration.ofSeconds(2)).isEmpty(), true);
            } catch (org.apache.kafka.common.errors.TimeoutException | UnknownTopicOrPartitionException e) {
                // Both are ways of the client to say that there is no such topic.
            }
            Scenarios.equal(admin.listTopics().names().get().contains(topic), false);
            fill(topic, 0, 1);
            Scenarios.equal(admin.listTopics().names().get().contains(topic), true);
        });

        scenarios.add("sixty partitions in one fetch session", () -> {
            String topic = create("wide", 60, Map.of());
            try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", "5")) {
                for (int n = 0; n < 1200; n++) {
                    producer.send(new ProducerRecord<>(topic, n % 60, null, bytes("" + n)));
                }
            }
            List<ConsumerRecord<byte[], byte[]>> records = read(topic, 1200);
            Map<Integer, Long> next = new HashMap<>();
            for (ConsumerRecord<byte[], byte[]> record : records) {
                Scenarios.equal(record.offset(), next.getOrDefault(record.partition(), 0L));
                next.put(record.partition(), record.offset() + 1);
            }
            admin.deleteTopics(List.of(topic)).all().get();
        });

        scenarios.runAll();
    }
}
