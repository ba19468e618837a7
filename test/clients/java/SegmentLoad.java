import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills one topic per codec: SegmentLoad PREFIX RECORDS PER_SECOND (0 = as fast as it goes). Sending
 * that fails (the broker is killed meanwhile) ends it in peace: what was written is what counts.
 */
final class SegmentLoad {
    public static void main(String[] args) throws Exception {
        int records = Integer.parseInt(args[1]);
        int perSecond = Integer.parseInt(args[2]);
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        List<String> topics = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            Properties properties = new Properties();
            properties.putAll(Map.of("bootstrap.servers", Scenarios.KAFKA, "compression.type", codec, "acks", "all", "linger.ms", "2",
                "delivery.timeout.ms", "6000", "request.timeout.ms", "3000", "max.block.ms", "6000"));
            producers.add(new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer()));
            topics.add(args[0] + "-" + codec);
        }
        Random random = new Random(7);
        long started = System.nanoTime();
        for (int n = 0; n < records; n++) {
            byte[] value = new byte[random.nextInt(600)];
            random.nextBytes(value);
            // Half of it compresses well.
            java.util.Arrays.fill(value, 0, value.length / 2, (byte) 'x');
            byte[] key = n % 3 == 0 ? null : new byte[] {(byte) n};
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topics.get(n % 5), key, n % 50 == 0 && key != null ? null : value);
            record.headers().add("n", Integer.toString(n).getBytes());
            try {
                producers.get(n % 5).send(record);
            } catch (Exception e) {
                break;
            }
            long dueMillis = perSecond == 0 ? 0 : n * 1000L / perSecond;
            long aheadMillis = dueMillis - (System.nanoTime() - started) / 1_000_000;
            if (aheadMillis > 0) {
                Thread.sleep(aheadMillis);
            }
        }
        producers.forEach(KafkaProducer::close);
    }
}
