import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.SqsClientBuilder;
import software.amazon.awssdk.services.sqs.batchmanager.SqsAsyncBatchManager;
import software.amazon.awssdk.services.sqs.model.ChangeMessageVisibilityBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.PurgeQueueInProgressException;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.ReceiveMessageRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;
import software.amazon.awssdk.services.sqs.model.SqsException;

/** AWS SDK for Java 2, which checks the MD5 of bodies and attributes itself. */
final class SqsClients {
    interface WithQueue {
        void run(String url) throws Exception;
    }

    /** ElasticMQ is known not to be as Amazon is in what is asked of Posthorn alone. */
    static final boolean POSTHORN = "posthorn".equals(System.getenv("TARGET"));
    static final URI ENDPOINT = URI.create("http://localhost:" + System.getenv("SQS_PORT"));
    static final SqsClient SQS = builder(ENDPOINT, AwsBasicCredentials.create("test", "test")).build();

    static SqsClientBuilder builder(URI endpoint, AwsCredentials credentials) {
        return SqsClient.builder()
            .endpointOverride(endpoint)
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(credentials))
            .overrideConfiguration(options -> options.retryStrategy(DefaultRetryStrategy.doNotRetry()));
    }

    static Scenarios.Body queue(Map<QueueAttributeName, String> attributes, WithQueue body) {
        return () -> with(attributes, body);
    }

    static Scenarios.Body queue(WithQueue body) {
        return queue(Map.of(), body);
    }

    static void with(Map<QueueAttributeName, String> attributes, WithQueue body) throws Exception {
        String end = attributes.containsKey(QueueAttributeName.FIFO_QUEUE) ? ".fifo" : "";
        String name = Scenarios.unique("queue") + end;
        String url = SQS.createQueue(request -> request.queueName(name).attributes(attributes)).queueUrl();
        try {
            body.run(url);
        } finally {
            SQS.deleteQueue(request -> request.queueUrl(url));
        }
    }

    static SendMessageResponse send(String url, String body) {
        return SQS.sendMessage(request -> request.queueUrl(url).messageBody(body));
    }

    static SendMessageResponse sendTo(String url, String group, String body) {
        return SQS.sendMessage(request -> request.queueUrl(url).messageBody(body).messageGroupId(group));
    }

    static List<Message> receive(String url, UnaryOperator<ReceiveMessageRequest.Builder> options) {
        return SQS.receiveMessage(request -> options.apply(request
            .queueUrl(url)
            .maxNumberOfMessages(10)
            .messageAttributeNames("All")
            .messageSystemAttributeNames(MessageSystemAttributeName.ALL))).messages();
    }

    static List<Message> receive(String url) {
        return receive(url, options -> options);
    }

    /** Receives until that many came. */
    static List<Message> take(String url, int count) throws Exception {
        List<Message> messages = new ArrayList<>();
        Scenarios.eventually(() -> {
            messages.addAll(receive(url, options -> options.waitTimeSeconds(1)));
            return messages.size() >= count;
        });
        Scenarios.equal(messages.size(), count);
        return messages;
    }

    static List<String> bodies(List<Message> messages) {
        return messages.stream().map(Message::body).toList();
    }

    static String attribute(String url, QueueAttributeName name) {
        return SQS.getQueueAttributes(request -> request.queueUrl(url).attributeNames(name)).attributes().get(name);
    }

    static String arn(String url) {
        return attribute(url, QueueAttributeName.QUEUE_ARN);
    }

    static void count(String url, QueueAttributeName name, int wanted) throws Exception {
        Scenarios.eventually(() -> attribute(url, name).equals("" + wanted));
    }

    static Map<QueueAttributeName, String> redrive(String dead, int receives) {
        String policy = "{\"deadLetterTargetArn\":\"" + arn(dead) + "\",\"maxReceiveCount\":" + receives + "}";
        return Map.of(QueueAttributeName.REDRIVE_POLICY, policy, QueueAttributeName.VISIBILITY_TIMEOUT, "0");
    }

    /** Must be refused; of ElasticMQ only that is asked, for its codes are its own. */
    static void refused(String code, int status, Scenarios.Body body) {
        SqsException error = Scenarios.refused(SqsException.class, body);
        String got = error.awsErrorDetails().errorCode() + " " + error.statusCode();
        if (POSTHORN) {
            Scenarios.equal(got, code + " " + status);
        } else {
            Scenarios.check(error.statusCode() == 400, got);
        }
    }

    static List<SendMessageBatchRequestEntry> entries(int count, String body) {
        return IntStream.range(0, count)
            .mapToObj(n -> SendMessageBatchRequestEntry.builder().id("" + n).messageBody(body).build())
            .toList();
    }

    static void sendReceiveDelete(String url) throws Exception {
        Map<String, MessageAttributeValue> attributes = Map.of(
            "text", MessageAttributeValue.builder().dataType("String").stringValue("ä").build(),
            "number", MessageAttributeValue.builder().dataType("Number").stringValue("12.50").build(),
            "bytes", MessageAttributeValue.builder().dataType("Binary")
                .binaryValue(SdkBytes.fromByteArray(new byte[] {0, -1, 10})).build());
        String body = "hello ä€😀 <&>";
        SendMessageResponse sent = SQS.sendMessage(request -> request.queueUrl(url).messageBody(body).messageAttributes(attributes));
        Message message = take(url, 1).get(0);
        Scenarios.equal(message.body(), body);
        Scenarios.equal(message.messageId(), sent.messageId());
        Scenarios.equal(message.messageAttributes(), attributes);
        Scenarios.equal(message.md5OfMessageAttributes(), sent.md5OfMessageAttributes());
        Scenarios.equal(message.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT), "1");
        Scenarios.equal(receive(url), List.of());
        SQS.deleteMessage(request -> request.queueUrl(url).receiptHandle(message.receiptHandle()));
        count(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE, 0);
    }

    static void batches(String url) throws Exception {
        List<SendMessageBatchRequestEntry> some = new ArrayList<>(entries(9, "x"));
        some.add(SendMessageBatchRequestEntry.builder().id("bad").messageBody("x").delaySeconds(901).build());
        var sent = SQS.sendMessageBatch(request -> request.queueUrl(url).entries(some));
        Scenarios.equal(sent.successful().size(), 9);
        Scenarios.equal(sent.failed().get(0).id() + sent.failed().get(0).senderFault(), "badtrue");
        List<Message> messages = take(url, 9);
        List<ChangeMessageVisibilityBatchRequestEntry> visible = messages.stream()
            .map(message -> ChangeMessageVisibilityBatchRequestEntry.builder()
                .id(message.messageId()).receiptHandle(message.receiptHandle()).visibilityTimeout(60).build())
            .toList();
        Scenarios.equal(SQS.changeMessageVisibilityBatch(request -> request.queueUrl(url).entries(visible)).successful().size(), 9);
        List<DeleteMessageBatchRequestEntry> gone = new ArrayList<>(messages.stream()
            .map(message -> DeleteMessageBatchRequestEntry.builder()
                .id(message.messageId()).receiptHandle(message.receiptHandle()).build())
            .toList());
        gone.add(DeleteMessageBatchRequestEntry.builder().id("wrong").receiptHandle("wrong").build());
        var deleted = SQS.deleteMessageBatch(request -> request.queueUrl(url).entries(gone));
        Scenarios.equal(deleted.successful().size(), 9);
        Scenarios.equal(deleted.failed().get(0).id(), "wrong");
        count(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE, 0);
    }

    static void longPolls(String url) throws Exception {
        long started = System.nanoTime();
        Scenarios.equal(receive(url, options -> options.waitTimeSeconds(1)), List.of());
        Scenarios.check(System.nanoTime() - started > 900_000_000L, "came back at once");
        List<CompletableFuture<List<Message>>> waiting = IntStream.range(0, 8)
            .mapToObj(n -> CompletableFuture.supplyAsync(
                () -> receive(url, options -> options.maxNumberOfMessages(1).waitTimeSeconds(20)),
                task -> new Thread(task).start()))
            .toList();
        Thread.sleep(400);
        for (int n = 0; n < 8; n++) {
            send(url, "" + n);
        }
        Set<String> got = new HashSet<>();
        for (CompletableFuture<List<Message>> each : waiting) {
            got.addAll(bodies(each.get(20, TimeUnit.SECONDS)));
        }
        Scenarios.equal(got.size(), 8);
    }

    static void delays(String url) throws Exception {
        send(url, "by the queue");
        SQS.sendMessage(request -> request.queueUrl(url).messageBody("at once").delaySeconds(0));
        Scenarios.equal(bodies(receive(url)), List.of("at once"));
        Scenarios.equal(attribute(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_DELAYED), "1");
        Scenarios.equal(bodies(take(url, 1)), List.of("by the queue"));
    }

    static void visibility(String url) throws Exception {
        send(url, "x");
        String handle = take(url, 1).get(0).receiptHandle();
        SQS.changeMessageVisibility(request -> request.queueUrl(url).receiptHandle(handle).visibilityTimeout(30));
        Scenarios.equal(receive(url, options -> options.waitTimeSeconds(2)), List.of());
        SQS.changeMessageVisibility(request -> request.queueUrl(url).receiptHandle(handle).visibilityTimeout(0));
        Message again = take(url, 1).get(0);
        Scenarios.equal(again.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT), "2");
    }

    static void fifo(String url) {
        for (String body : List.of("1", "2", "2", "3")) {
            sendTo(url, "a", body);
        }
        SendMessageResponse first = sendTo(url, "b", "other");
        Scenarios.equal(sendTo(url, "b", "other").messageId(), first.messageId());
        Message one = receive(url, options -> options.maxNumberOfMessages(1)).get(0);
        Scenarios.equal(one.body(), "1");
        Scenarios.equal(bodies(receive(url)), List.of("other"));
        SQS.deleteMessage(request -> request.queueUrl(url).receiptHandle(one.receiptHandle()));
        List<Message> rest = receive(url);
        Scenarios.equal(bodies(rest), List.of("2", "3"));
        Map<MessageSystemAttributeName, String> system = rest.get(0).attributes();
        Scenarios.equal(system.get(MessageSystemAttributeName.MESSAGE_GROUP_ID), "a");
        Scenarios.check(
            one.attributes().get(MessageSystemAttributeName.SEQUENCE_NUMBER)
                .compareTo(system.get(MessageSystemAttributeName.SEQUENCE_NUMBER)) < 0, system);
    }

    static void deadLetters(String dead) throws Exception {
        with(redrive(dead, 1), url -> {
            send(url, "poison");
            take(url, 1);
            Scenarios.equal(receive(url), List.of());
            count(dead, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES, 1);
            if (POSTHORN) {
                Scenarios.equal(SQS.listDeadLetterSourceQueues(request -> request.queueUrl(dead)).queueUrls(), List.of(url));
            }
            String source = arn(dead);
            SQS.startMessageMoveTask(request -> request.sourceArn(source));
            Scenarios.equal(bodies(take(url, 1)), List.of("poison"));
            var tasks = SQS.listMessageMoveTasks(request -> request.sourceArn(source)).results();
            Scenarios.equal(tasks.size(), 1);
        });
    }

    static void attributesAndTags(String url) throws Exception {
        SQS.setQueueAttributes(request -> request.queueUrl(url).attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "4")));
        var all = SQS.getQueueAttributes(request -> request.queueUrl(url).attributeNames(QueueAttributeName.ALL)).attributes();
        Scenarios.equal(all.get(QueueAttributeName.DELAY_SECONDS) + " " + all.get(QueueAttributeName.VISIBILITY_TIMEOUT), "4 45");
        SQS.tagQueue(request -> request.queueUrl(url).tags(Map.of("a", "1", "b", "ä")));
        SQS.untagQueue(request -> request.queueUrl(url).tagKeys("a"));
        Scenarios.equal(SQS.listQueueTags(request -> request.queueUrl(url)).tags(), Map.of("b", "ä"));
        String name = url.substring(url.lastIndexOf('/') + 1);
        Scenarios.equal(SQS.getQueueUrl(request -> request.queueName(name)).queueUrl(), url);
        List<String> listed = SQS.listQueuesPaginator(request -> request.queueNamePrefix(name)).queueUrls().stream().toList();
        Scenarios.equal(listed, List.of(url));
        SQS.setQueueAttributes(request -> request.queueUrl(url).attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "0")));
        send(url, "x");
        SQS.purgeQueue(request -> request.queueUrl(url));
        count(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES, 0);
        if (POSTHORN) {
            Scenarios.refused(PurgeQueueInProgressException.class, () -> SQS.purgeQueue(request -> request.queueUrl(url)));
        }
    }

    /** The asynchronous client over Netty, with its own gathering of messages into batches. */
    static void asynchronous(String url) throws Exception {
        try (
            SqsAsyncClient client = SqsAsyncClient.builder()
                .endpointOverride(ENDPOINT)
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
                .build();
            SqsAsyncBatchManager batches = client.batchManager()) {
            List<CompletableFuture<SendMessageResponse>> sent = IntStream.range(0, 95)
                .mapToObj(n -> batches.sendMessage(request -> request.queueUrl(url).messageBody("" + n)))
                .toList();
            Set<String> ids = new HashSet<>();
            for (CompletableFuture<SendMessageResponse> each : sent) {
                ids.add(each.get(20, TimeUnit.SECONDS).messageId());
            }
            Scenarios.equal(ids.size(), 95);
            Set<String> got = Collections.synchronizedSet(new HashSet<>());
            Scenarios.eventually(() -> {
                List<CompletableFuture<?>> deleted = new ArrayList<>();
                for (Message message : client.receiveMessage(request -> request.queueUrl(url).maxNumberOfMessages(10)).get(10, TimeUnit.SECONDS).messages()) {
                    got.add(message.body());
                    deleted.add(batches.deleteMessage(request -> request.queueUrl(url).receiptHandle(message.receiptHandle())));
                }
                CompletableFuture.allOf(deleted.toArray(CompletableFuture[]::new)).get(10, TimeUnit.SECONDS);
                return got.size() == 95;
            });
            count(url, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE, 0);
        }
    }

    static void errors(String url) {
        Scenarios.refused(QueueDoesNotExistException.class, () -> SQS.getQueueUrl(request -> request.queueName("missing")));
        Scenarios.refused(QueueDoesNotExistException.class, () -> send(url + "-missing", "x"));
        refused("AWS.SimpleQueueService.NonExistentQueue", 400, () -> receive(url + "-missing"));
        refused("ReceiptHandleIsInvalid", 404, () -> SQS.deleteMessage(request -> request.queueUrl(url).receiptHandle("wrong")));
        refused("InvalidParameterValue", 400, () -> send(url, "x".repeat(1_048_577)));
        refused("InvalidMessageContents", 400, () -> send(url, "\u0001"));
        refused("InvalidParameterValue", 400, () -> receive(url, options -> options.maxNumberOfMessages(11)));
        refused("InvalidParameterValue", 400, () -> SQS.sendMessage(request -> request.queueUrl(url).messageBody("x").delaySeconds(901)));
        refusedBatch(url, "TooManyEntriesInBatchRequest", entries(11, "x"));
        refusedBatch(url, "BatchEntryIdsNotDistinct", List.of(entries(1, "x").get(0), entries(1, "y").get(0)));
        if (!POSTHORN) {
            return;
        }
        // What ElasticMQ lets pass, or has no code for.
        refusedBatch(url, "EmptyBatchRequest", List.of());
        refusedBatch(url, "BatchRequestTooLong", entries(6, "x".repeat(200_000)));
        refusedBatch(url, "InvalidBatchEntryId", List.of(SendMessageBatchRequestEntry.builder().id("a b").messageBody("x").build()));
        refused("InvalidAttributeName", 400, () -> SQS.setQueueAttributes(
            request -> request.queueUrl(url).attributesWithStrings(Map.of("Odd", "1"))));
        refused("InvalidAttributeValue", 400, () -> SQS.setQueueAttributes(
            request -> request.queueUrl(url).attributes(Map.of(QueueAttributeName.DELAY_SECONDS, "-1"))));
    }

    static void refusedBatch(String url, String code, List<SendMessageBatchRequestEntry> entries) {
        refused("AWS.SimpleQueueService." + code, 400, () -> SQS.sendMessageBatch(request -> request.queueUrl(url).entries(entries)));
    }

    static void signatures() throws Exception {
        URI endpoint = URI.create("http://localhost:" + System.getenv("SQS_SIGNED_PORT"));
        AwsCredentials app = AwsBasicCredentials.create("app", "secret");
        String name = Scenarios.unique("signed");
        try (SqsClient client = builder(endpoint, app).build()) {
            String url = client.createQueue(request -> request.queueName(name)).queueUrl();
            client.sendMessage(request -> request.queueUrl(url).messageBody("ä & b"));
            client.deleteQueue(request -> request.queueUrl(url));
        }
        try (SqsClient client = builder(endpoint, AwsSessionCredentials.create("visitor", "secret", "session-token")).build()) {
            client.listQueues();
        }
        notLetIn(builder(endpoint, AwsBasicCredentials.create("app", "wrong")), "SignatureDoesNotMatch", "does not match");
        notLetIn(builder(endpoint, AwsBasicCredentials.create("nobody", "secret")), "InvalidClientTokenId", "security token");
        notLetIn(builder(endpoint, AwsSessionCredentials.create("visitor", "secret", "forged")), "InvalidClientTokenId", "security token");
    }

    static void notLetIn(SqsClientBuilder builder, String code, String words) {
        try (SqsClient client = builder.build()) {
            SqsException error = Scenarios.refused(SqsException.class, client::listQueues);
            Scenarios.equal(error.awsErrorDetails().errorCode() + " " + error.statusCode(), code + " 403");
            Scenarios.check(error.getMessage().contains(words), error.getMessage());
        }
    }

    public static void main(String[] args) {
        Scenarios scenarios = new Scenarios();
        Map<QueueAttributeName, String> fifo = Map.of(
            QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true");
        scenarios.add("send, receive, delete", queue(SqsClients::sendReceiveDelete));
        scenarios.add("batches in which some fail", queue(SqsClients::batches));
        scenarios.add("long polls side by side", queue(SqsClients::longPolls));
        scenarios.add("delays of the queue and of the message", queue(Map.of(QueueAttributeName.DELAY_SECONDS, "1"), SqsClients::delays));
        scenarios.add("visibility", queue(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "1"), SqsClients::visibility));
        scenarios.add("FIFO: order, groups, duplicates", queue(fifo, SqsClients::fifo));
        scenarios.add("dead letters and back", queue(SqsClients::deadLetters));
        scenarios.add("attributes, tags, pages, purge", queue(Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "45"), SqsClients::attributesAndTags));
        scenarios.add("the asynchronous client and its batches", queue(SqsClients::asynchronous));
        scenarios.add("errors", queue(SqsClients::errors));
        if (POSTHORN) {
            scenarios.add("signatures", SqsClients::signatures);
        }
        scenarios.runAll();
    }
}
