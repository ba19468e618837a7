import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.LongString;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import com.rabbitmq.client.RpcServer;
import com.rabbitmq.client.ShutdownSignalException;

/** RabbitMQ's own Java client. */
final class RabbitmqClients {
    interface WithChannel {
        void run(Channel channel) throws Exception;
    }

    static ConnectionFactory factory() {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost("localhost");
        factory.setPort(Scenarios.AMQP_PORT);
        factory.setAutomaticRecoveryEnabled(false);
        return factory;
    }

    static Scenarios.Body on(WithChannel body) {
        return () -> {
            try (Connection connection = factory().newConnection()) {
                body.run(connection.createChannel());
            }
        };
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static BlockingQueue<Delivery> consume(Channel channel, String queue, boolean autoAck) throws Exception {
        BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        channel.basicConsume(queue, autoAck, (tag, delivery) -> deliveries.add(delivery), tag -> { });
        return deliveries;
    }

    static Delivery next(BlockingQueue<Delivery> deliveries) throws Exception {
        Delivery delivery = deliveries.poll(10, TimeUnit.SECONDS);
        Scenarios.check(delivery != null, "no delivery in 10 s");
        return delivery;
    }

    /** The broker's reason for closing: its code and text. */
    static String reason(Scenarios.Body body) {
        ShutdownSignalException signal = Scenarios.refused(ShutdownSignalException.class, body);
        Method method = signal.getReason();
        if (method instanceof AMQP.Channel.Close close) {
            return close.getReplyCode() + " " + close.getReplyText();
        }
        AMQP.Connection.Close close = (AMQP.Connection.Close) method;
        return close.getReplyCode() + " " + close.getReplyText();
    }

    public static void main(String[] args) {
        Scenarios scenarios = new Scenarios();

        scenarios.add("hello world", on(channel -> {
            String queue = Scenarios.unique("hello");
            channel.queueDeclare(queue, false, false, false, null);
            channel.basicPublish("", queue, null, bytes("Hello World!"));
            Scenarios.equal(text(next(consume(channel, queue, true)).getBody()), "Hello World!");
            channel.queueDelete(queue);
        }));

        scenarios.add("ten thousand pipelined persistent confirms", on(channel -> {
            String queue = Scenarios.unique("confirms");
            channel.queueDeclare(queue, true, false, false, null);
            channel.confirmSelect();
            ConcurrentSkipListSet<Long> outstanding = new ConcurrentSkipListSet<>();
            AtomicInteger nacked = new AtomicInteger();
            channel.addConfirmListener((tag, multiple) -> {
                if (multiple) {
                    outstanding.headSet(tag, true).clear();
                } else {
                    outstanding.remove(tag);
                }
            }, (tag, multiple) -> nacked.incrementAndGet());
            for (int n = 0; n < 10_000; n++) {
                outstanding.add(channel.getNextPublishSeqNo());
                channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, bytes("" + n));
            }
            channel.waitForConfirmsOrDie(30_000);
            Scenarios.eventually(outstanding::isEmpty);
            Scenarios.equal(nacked.get(), 0);
            channel.basicQos(500);
            BlockingQueue<Delivery> deliveries = consume(channel, queue, false);
            for (int n = 0; n < 10_000; n++) {
                Delivery delivery = next(deliveries);
                Scenarios.equal(text(delivery.getBody()), "" + n);
                if (n % 100 == 99) {
                    channel.basicAck(delivery.getEnvelope().getDeliveryTag(), true);
                }
            }
            Scenarios.equal(channel.messageCount(queue), 0L);
            channel.queueDelete(queue);
        }));

        scenarios.add("headers of every Java type", on(channel -> {
            Map<String, Object> headers = new HashMap<>();
            headers.put("string", "ä");
            headers.put("int", 1);
            headers.put("long", 1L << 40);
            headers.put("short", (short) 3);
            headers.put("byte", (byte) -4);
            headers.put("float", 1.5f);
            headers.put("double", 2.25);
            headers.put("boolean", true);
            headers.put("date", new Date(1_700_000_000_000L));
            headers.put("decimal", new java.math.BigDecimal("12.34"));
            headers.put("list", Arrays.asList("a", 1, false));
            headers.put("map", Map.of("deep", Map.of("er", 2)));
            headers.put("null", null);
            String queue = channel.queueDeclare().getQueue();
            channel.basicPublish("", queue, new AMQP.BasicProperties.Builder().headers(headers).build(), bytes("x"));
            Map<String, Object> got = next(consume(channel, queue, true)).getProperties().getHeaders();
            Scenarios.equal(got.size(), headers.size());
            headers.forEach((name, wanted) -> {
                Object value = got.get(name);
                if (wanted instanceof String) {
                    Scenarios.equal(String.valueOf(value), wanted);
                } else if (wanted instanceof List) {
                    Scenarios.equal(String.valueOf(value), "[a, 1, false]");
                } else {
                    Scenarios.equal(value, wanted);
                }
            });
            Scenarios.check(got.get("string") instanceof LongString, got.get("string").getClass());
        }));

        scenarios.add("returned before confirmed", on(channel -> {
            List<String> events = Collections.synchronizedList(new ArrayList<>());
            channel.confirmSelect();
            channel.addReturnListener(returned -> events.add("return " + returned.getReplyCode() + " " + returned.getReplyText() + " " + text(returned.getBody())));
            channel.addConfirmListener((tag, multiple) -> events.add("ack"), (tag, multiple) -> events.add("nack"));
            channel.basicPublish("amq.topic", "nobody.listens", true, null, bytes("lost"));
            channel.waitForConfirms(10_000);
            Scenarios.eventually(() -> events.size() == 2);
            Scenarios.equal(events, List.of("return 312 NO_ROUTE lost", "ack"));
        }));

        scenarios.add("RPC over direct reply-to with the client's own classes", on(channel -> {
            String queue = channel.queueDeclare().getQueue();
            Channel serverChannel = channel.getConnection().createChannel();
            RpcServer server = new RpcServer(serverChannel, queue) {
                @Override
                public byte[] handleCall(Delivery request, AMQP.BasicProperties replyProperties) {
                    return bytes(text(request.getBody()).toUpperCase());
                }
            };
            Thread thread = new Thread(() -> {
                try {
                    server.mainloop();
                } catch (Exception e) {
                    // Ends with its channel.
                }
            });
            thread.setDaemon(true);
            thread.start();
            RpcClient client = new RpcClient(new RpcClientParams().channel(channel).exchange("").routingKey(queue).timeout(10_000));
            for (int n = 0; n < 100; n++) {
                Scenarios.equal(client.stringCall("call " + n), "CALL " + n);
            }
            client.close();
            server.terminateMainloop();
        }));

        scenarios.add("basicGet and its message count", on(channel -> {
            String queue = channel.queueDeclare().getQueue();
            for (int n = 0; n < 3; n++) {
                channel.basicPublish("", queue, MessageProperties.TEXT_PLAIN, bytes("" + n));
            }
            GetResponse response = Scenarios.eventually(() -> channel.basicGet(queue, false));
            Scenarios.equal(response.getMessageCount() + text(response.getBody()) + response.getProps().getContentType(), "20text/plain");
            channel.basicNack(response.getEnvelope().getDeliveryTag(), false, true);
            GetResponse again = channel.basicGet(queue, true);
            Scenarios.equal(text(again.getBody()) + again.getEnvelope().isRedeliver(), "0true");
        }));

        scenarios.add("consumer is told that its queue was deleted", on(channel -> {
            String queue = channel.queueDeclare(Scenarios.unique("deleted"), false, false, false, null).getQueue();
            CompletableFuture<String> cancelled = new CompletableFuture<>();
            String tag = channel.basicConsume(queue, true, (t, delivery) -> { }, cancelled::complete);
            try (Connection other = factory().newConnection()) {
                other.createChannel().queueDelete(queue);
            }
            Scenarios.equal(cancelled.get(10, TimeUnit.SECONDS), tag);
        }));

        scenarios.add("sixteen threads, a channel each", on(channel -> {
            String queue = channel.queueDeclare(Scenarios.unique("threads"), true, false, false, null).getQueue();
            CountDownLatch done = new CountDownLatch(16);
            List<Throwable> problems = Collections.synchronizedList(new ArrayList<>());
            for (int t = 0; t < 16; t++) {
                int id = t;
                new Thread(() -> {
                    try {
                        Channel own = channel.getConnection().createChannel();
                        own.confirmSelect();
                        for (int n = 0; n < 500; n++) {
                            own.basicPublish("", queue, MessageProperties.MINIMAL_PERSISTENT_BASIC, bytes(id + ":" + n));
                        }
                        own.waitForConfirmsOrDie(20_000);
                        own.close();
                    } catch (Throwable e) {
                        problems.add(e);
                    } finally {
                        done.countDown();
                    }
                }).start();
            }
            Scenarios.check(done.await(30, TimeUnit.SECONDS), "threads hang");
            Scenarios.equal(problems, List.of());
            BlockingQueue<Delivery> deliveries = consume(channel, queue, true);
            int[] counters = new int[16];
            for (int n = 0; n < 8000; n++) {
                String[] parts = text(next(deliveries).getBody()).split(":");
                // Order holds per channel.
                Scenarios.equal(Integer.parseInt(parts[1]), counters[Integer.parseInt(parts[0])]++);
            }
            channel.queueDelete(queue);
        }));

        scenarios.add("ten megabytes, whole", on(channel -> {
            byte[] body = new byte[10_000_000];
            for (int n = 0; n < body.length; n++) {
                body[n] = (byte) (n * 31);
            }
            String queue = channel.queueDeclare().getQueue();
            channel.basicPublish("", queue, null, body);
            Scenarios.check(Arrays.equals(next(consume(channel, queue, true)).getBody(), body), "the body changed");
        }));

        scenarios.add("reasons for closing", () -> {
            String missing = Scenarios.unique("missing");
            Scenarios.equal(reason(on(channel -> channel.queueDeclarePassive(missing))), "404 NOT_FOUND - no queue '" + missing + "' in vhost '/'");
            Scenarios.equal(reason(on(channel -> channel.exchangeDeclarePassive(missing))), "404 NOT_FOUND - no exchange '" + missing + "' in vhost '/'");
            String queue = Scenarios.unique("durable");
            on(channel -> channel.queueDeclare(queue, true, false, false, null)).run();
            Scenarios.equal(reason(on(channel -> channel.queueDeclare(queue, false, false, false, null))),
                "406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue '" + queue + "' in vhost '/': received 'false' but current is 'true'");
            // Integers of another width are the same argument.
            String rich = Scenarios.unique("rich");
            on(channel -> {
                channel.queueDeclare(rich, true, false, false, Map.of("x-message-ttl", 1000));
                channel.queueDeclare(rich, true, false, false, Map.of("x-message-ttl", 1000L));
                channel.queueDelete(rich);
                channel.queueDelete(queue);
            }).run();
            Scenarios.equal(reason(on(channel -> {
                channel.basicAck(42, false);
                channel.queueDeclare();
            })), "406 PRECONDITION_FAILED - unknown delivery tag 42");
        });

        scenarios.add("quorum queue", on(channel -> {
            String queue = Scenarios.unique("quorum");
            channel.queueDeclare(queue, true, false, false, Map.of("x-queue-type", "quorum"));
            channel.confirmSelect();
            for (int n = 0; n < 500; n++) {
                channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, bytes("" + n));
            }
            channel.waitForConfirmsOrDie(20_000);
            channel.basicQos(50);
            BlockingQueue<Delivery> deliveries = consume(channel, queue, false);
            for (int n = 0; n < 500; n++) {
                Delivery delivery = next(deliveries);
                Scenarios.equal(text(delivery.getBody()), "" + n);
                channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            }
            channel.queueDelete(queue);
        }));

        scenarios.add("stream queue from the first message", on(channel -> {
            String queue = Scenarios.unique("stream");
            channel.queueDeclare(queue, true, false, false, Map.of("x-queue-type", "stream", "x-max-length-bytes", 100_000_000L));
            channel.confirmSelect();
            for (int n = 0; n < 500; n++) {
                channel.basicPublish("", queue, null, bytes("" + n));
            }
            channel.waitForConfirmsOrDie(20_000);
            for (int round = 0; round < 2; round++) {
                Channel reader = channel.getConnection().createChannel();
                reader.basicQos(100);
                BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
                reader.basicConsume(queue, false, Map.of("x-stream-offset", "first"), (tag, delivery) -> deliveries.add(delivery), tag -> { });
                for (int n = 0; n < 500; n++) {
                    Delivery delivery = next(deliveries);
                    Scenarios.equal(text(delivery.getBody()) + delivery.getProperties().getHeaders().get("x-stream-offset"), "" + n + n);
                    reader.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
                }
                reader.close();
            }
            channel.queueDelete(queue);
        }));

        scenarios.runAll();
    }
}
