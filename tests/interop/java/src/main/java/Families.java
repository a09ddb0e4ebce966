import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * Every family of messages and consumers that the client offers, each on a thread of its own with a topic (`family-NAME`,
 * made before), groups and clients of its own: they mostly wait, and so they wait together.
 *
 * <p>java Families NAMESRV NAME...: prints `family NAME pass` or `family NAME fail REASON` for each, as they end.
 * The property families.duplicates=true allows for a broker that asks about transactions that have ended,
 * and delivers them again.
 */
final class Families {
    private static final int COUNT = 20;
    private static final int PATIENCE_S = 150; // a busy machine is not what is tested: over TLS, this process itself is slow
    private static final int CALL_TIMEOUT_MS = 60000;
    private static final int QUIET_MS = 2500; // what comes twice, or should not come, comes within
    private static final String SQL = "TAGS = 'even' AND number BETWEEN 0 AND 11 OR number = 13";
    private static final Set<String> SQL_MATCHES = Set.of("body-0", "body-2", "body-4", "body-6", "body-8", "body-10",
            "body-13");
    private static final boolean DUPLICATES = Boolean.getBoolean("families.duplicates");

    private interface Family {
        void run(String topic) throws Exception;
    }

    private final String nameServer;
    private final Map<String, Family> families = new LinkedHashMap<>();

    private Families(String nameServer) {
        this.nameServer = nameServer;
        families.put("orderly", this::orderly);
        families.put("broadcast", this::broadcast);
        families.put("litepull", this::litePull);
        families.put("retry", this::retry);
        families.put("deadletter", this::deadLetter);
        families.put("query", this::query);
        families.put("asked", this::asked);
        for (String name : List.of("namespace", "vip", "unit", "signed"))
            families.put(name, topic -> takeAll(topic, false));
        families.put("fresh", topic -> takeAll(topic, true));
        families.put("delay", topic -> later(topic, "DELAY", "2", 1800));
        families.put("sql", topic -> sql(topic, false));
        families.put("sqlpull", this::sqlPull);
        families.put("transaction", this::transaction);
        families.put("requestreply", this::requestReply);
        families.put("trace", this::trace);
        families.put("lmq", this::lightQueues);
        families.put("compaction", this::compaction);
        families.put("timer", topic -> later(topic, "TIMER_DELAY_MS", "2500", 2400));
        families.put("recall", this::recall);
        families.put("pop", this::pop);
        families.put("sqlpop", topic -> sql(topic, true));
        families.put("namespace2", topic -> takeAll(topic, false));
        families.put("batchqueue", this::batchQueue);
    }

    public static void main(String[] args) throws Exception {
        Families all = new Families(args[0]);
        List<Thread> threads = new ArrayList<>();
        for (String name : List.of(args).subList(1, args.length)) {
            threads.add(new Thread(() -> all.run(name), name));
            threads.get(threads.size() - 1).start();
        }
        for (Thread thread : threads)
            thread.join();
        System.exit(0);
    }

    private void run(String name) {
        String outcome = "pass";
        try {
            families.get(name).run("family-" + name);
        } catch (InvocationTargetException error) {
            outcome = "fail " + error.getCause();
        } catch (Exception | Error error) {
            outcome = "fail " + error + (error.getCause() == null ? "" : ", for " + error.getCause());
        }
        System.out.println("family " + name + " " + outcome.replace('\n', ' '));
    }

    // ---- pieces ----

    private void name(ClientConfig client, String instance) {
        client.setInstanceName(instance);
        client.setNamesrvAddr(nameServer);
        client.setMqClientApiTimeout(CALL_TIMEOUT_MS); // of calls to name servers, which a start begins with
    }

    private DefaultMQProducer producer(String topic) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("producers-" + topic, signature(topic));
        name(producer, "producer-" + topic);
        producer.setSendMsgTimeout(CALL_TIMEOUT_MS);
        set(producer, topic);
        producer.start();
        return producer;
    }

    /**
     * Namespaces of the first kind, where names get a prefix, and of the second, where each request says it; the broker's
     * second port; a unit.
     */
    private static void set(ClientConfig client, String topic) throws ReflectiveOperationException {
        if (topic.equals("family-namespace"))
            client.setNamespace("space");
        if (topic.equals("family-namespace2"))
            ClientConfig.class.getMethod("setNamespaceV2", String.class).invoke(client, "space");
        if (topic.equals("family-vip"))
            client.setVipChannelEnabled(true);
        if (topic.equals("family-unit")) {
            client.setUnitMode(true);
            client.setUnitName("unit");
        }
    }

    /** What clients of a cluster with access control add to each request; null: nothing. */
    private static RPCHook signature(String topic) {
        if (!topic.equals("family-signed"))
            return null;
        return new RPCHook() {
            @Override
            public void doBeforeRequest(String address, RemotingCommand request) {
                request.addExtField("AccessKey", "somebody");
                request.addExtField("SecurityToken", "token");
                request.addExtField("Signature", "IUc8rrO/0gDch8CjObLQsW2rsiA=");
            }

            @Override
            public void doAfterResponse(String address, RemotingCommand request, RemotingCommand response) {
            }
        };
    }

    private DefaultMQPushConsumer consumer(String topic, String member) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer("group-" + topic, signature(topic),
                new AllocateMessageQueueAveragely());
        name(consumer, topic + "-" + member);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        return consumer;
    }

    /** Notes what comes, by body. */
    private static Set<String> collect(DefaultMQPushConsumer consumer) {
        Set<String> seen = Collections.synchronizedSet(new TreeSet<>());
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> seen.add(text(message)));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return seen;
    }

    /** Notes by body how often each came. */
    private static Map<String, Integer> count(DefaultMQPushConsumer consumer) {
        Map<String, Integer> times = new ConcurrentHashMap<>();
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(message -> times.merge(text(message), 1, Integer::sum));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        return times;
    }

    private static String text(Message message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    private static Message message(String topic, int i) {
        return new Message(topic, i % 2 == 0 ? "even" : "odd", "key-" + i,
                ("body-" + i).getBytes(StandardCharsets.UTF_8));
    }

    private static int number(Message message) {
        return Integer.parseInt(text(message).substring("body-".length()));
    }

    /** Those of COUNT bodies whose number is one of these, modulo `step`. */
    private static Set<String> bodies(int step, Integer... wanted) {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < COUNT; i++)
            if (List.of(wanted).contains(i % step))
                bodies.add("body-" + i);
        return bodies;
    }

    private interface Check {
        boolean holds() throws Exception;
    }

    private static void await(String what, Check check) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (!check.holds()) {
            if (System.nanoTime() > end)
                throw new AssertionError(what + " within " + PATIENCE_S + " s");
            Thread.sleep(20);
        }
    }

    private static void require(boolean condition, String what) {
        if (!condition)
            throw new AssertionError(what);
    }

    /** Sends COUNT messages, one after the other, over all queues. */
    private void fill(String topic) throws Exception {
        DefaultMQProducer producer = producer(topic);
        for (int i = 0; i < COUNT; i++) {
            Message message = message(topic, i);
            message.putUserProperty("number", Integer.toString(i));
            producer.send(message);
        }
        producer.shutdown();
    }

    // ---- families ----

    /** What is sent to one queue is consumed in that order, by two members that share the queues. */
    private void orderly(String topic) throws Exception {
        DefaultMQProducer producer = producer(topic);
        Map<Integer, List<Integer>> queues = new ConcurrentHashMap<>();
        AtomicInteger taken = new AtomicInteger();
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        for (String name : List.of("a", "b")) {
            DefaultMQPushConsumer member = consumer(topic, name);
            member.subscribe(topic, "*");
            member.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                for (MessageExt message : messages) {
                    queues.computeIfAbsent(message.getQueueId(), id -> new ArrayList<>())
                            .add(Integer.valueOf(message.getUserProperty("number")));
                    taken.incrementAndGet();
                }
                return ConsumeOrderlyStatus.SUCCESS;
            });
            member.start();
            members.add(member);
        }
        for (int i = 0; i < 5 * COUNT; i++) {
            Message message = message(topic, i);
            message.putUserProperty("number", Integer.toString(i));
            int queue = i % 4;
            producer.send(message, (all, sent, id) -> all.get((Integer) id % all.size()), queue);
        }
        await("all messages", () -> taken.get() >= 5 * COUNT);
        queues.forEach((id, numbers) -> {
            List<Integer> distinct = new ArrayList<>(new java.util.LinkedHashSet<>(numbers));
            List<Integer> sorted = new ArrayList<>(distinct);
            Collections.sort(sorted);
            require(distinct.equals(sorted), "queue " + id + " out of order: " + distinct);
        });
        members.forEach(DefaultMQPushConsumer::shutdown);
        producer.shutdown();
    }

    /** Each member gets every message. */
    private void broadcast(String topic) throws Exception {
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        List<Set<String>> seen = new ArrayList<>();
        for (String name : List.of("a", "b")) {
            DefaultMQPushConsumer member = consumer(topic, name);
            member.getClass().getMethod("setMessageModel", modelClass()).invoke(member,
                    modelClass().getField("BROADCASTING").get(null));
            member.subscribe(topic, "*");
            seen.add(collect(member));
            member.start();
            members.add(member);
        }
        fill(topic);
        await("every message at both members", () -> seen.stream().allMatch(bodies(1, 0)::equals));
        members.forEach(DefaultMQPushConsumer::shutdown);
    }

    /** 5.x has it in another package. */
    private static Class<?> modelClass() throws ClassNotFoundException {
        try {
            return Class.forName("org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel");
        } catch (ClassNotFoundException error) {
            return Class.forName("org.apache.rocketmq.common.protocol.heartbeat.MessageModel");
        }
    }

    private DefaultMQPullConsumer pullConsumer(String topic) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("group-" + topic);
        name(consumer, "puller-" + topic);
        consumer.start();
        consumer.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory().getMQAdminImpl()
                .setTimeoutMillis(CALL_TIMEOUT_MS);
        return consumer;
    }

    /** The bodies of a queue, in order. */
    private static List<String> readAll(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        List<String> bodies = new ArrayList<>();
        for (long next = 0;;) {
            PullResult result = consumer.pull(queue, "*", next, 32);
            if (result.getPullStatus() == PullStatus.FOUND)
                result.getMsgFoundList().forEach(message -> bodies.add(text(message)));
            if (result.getNextBeginOffset() <= next)
                return bodies;
            next = result.getNextBeginOffset();
        }
    }

    /** A message stands in the light queues it names, each with its own order and numbers. */
    private void lightQueues(String topic) throws Exception {
        DefaultMQProducer producer = producer(topic);
        List<String> all = new ArrayList<>();
        List<String> even = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            Message message = message(topic, i);
            String names = "%LMQ%all-" + topic + (i % 2 == 0 ? ",%LMQ%even-" + topic : "");
            MessageAccessor.putProperty(message, "INNER_MULTI_DISPATCH", names);
            producer.send(message);
            all.add(text(message));
            if (i % 2 == 0)
                even.add(text(message));
        }
        DefaultMQPullConsumer consumer = pullConsumer(topic);
        MessageQueue own = consumer.fetchSubscribeMessageQueues(topic).iterator().next();
        readAll(consumer, own); // so that the client knows the broker's address: light queues have no route
        String broker = own.getBrokerName();
        await("every message of all", () -> all.equals(
                readAll(consumer, new MessageQueue("%LMQ%all-" + topic, broker, 0))));
        await("the even ones", () -> even.equals(
                readAll(consumer, new MessageQueue("%LMQ%even-" + topic, broker, 0))));
        consumer.shutdown();
        producer.shutdown();
    }

    /** What later messages of a key replace goes; the newest of each key stays. */
    private void compaction(String topic) throws Exception {
        final int messages = 400;
        final int keys = 5;
        DefaultMQPullConsumer consumer = pullConsumer(topic);
        MessageQueue queue = new TreeSet<>(consumer.fetchSubscribeMessageQueues(topic)).first();
        DefaultMQProducer producer = producer(topic);
        List<String> newest = new ArrayList<>();
        for (int i = 0; i < messages; i++) {
            Message message = new Message(topic, "", "key-" + i % keys, ("body-" + i + "-" + "x".repeat(900))
                    .getBytes(StandardCharsets.UTF_8));
            producer.send(message, queue);
            if (i >= messages - keys)
                newest.add(text(message));
        }
        await("fewer messages", () -> {
            List<String> read = readAll(consumer, queue);
            return read.size() < messages / 2 && read.containsAll(newest);
        });
        consumer.shutdown();
        producer.shutdown();
    }

    /** Polls by subscription, commits, and a second consumer of the group goes on behind it. */
    private void litePull(String topic) throws Exception {
        fill(topic);
        Set<String> seen = new TreeSet<>();
        DefaultLitePullConsumer consumer = liteConsumer(topic, "first", null);
        await("all messages", () -> {
            consumer.poll(200).forEach(message -> seen.add(text(message)));
            return seen.equals(bodies(1, 0));
        });
        consumer.commitSync();
        consumer.shutdown();
        DefaultMQProducer producer = producer(topic);
        producer.send(new Message(topic, "behind".getBytes(StandardCharsets.UTF_8)));
        producer.shutdown();
        List<String> next = new ArrayList<>();
        DefaultLitePullConsumer second = liteConsumer(topic, "second", null);
        await("the message behind", () -> {
            second.poll(200).forEach(message -> next.add(text(message)));
            return !next.isEmpty();
        });
        require(next.equals(List.of("behind")), "went on with " + next);
        second.shutdown();
    }

    private DefaultLitePullConsumer liteConsumer(String topic, String member, MessageSelector selector) throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer("group-" + topic);
        name(consumer, topic + "-" + member);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        if (selector == null)
            consumer.subscribe(topic, "*");
        else
            consumer.subscribe(topic, selector);
        consumer.start();
        return consumer;
    }

    /** A message that is refused comes again, with its count, until it is taken. */
    private void retry(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        List<Integer> times = Collections.synchronizedList(new ArrayList<>());
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            context.setDelayLevelWhenNextConsume(1);
            times.add(messages.get(0).getReconsumeTimes());
            return times.size() < 3 ? ConsumeConcurrentlyStatus.RECONSUME_LATER
                    : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        DefaultMQProducer producer = producer(topic);
        producer.send(message(topic, 0));
        await("three deliveries", () -> times.size() >= 3);
        require(times.subList(0, 3).equals(List.of(0, 1, 2)), "counts " + times);
        consumer.shutdown();
        producer.shutdown();
    }

    /** What was refused as often as it may be is a dead letter, and comes no more. Who started this looks for the letters. */
    private void deadLetter(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        consumer.setMaxReconsumeTimes(1);
        Set<String> seen = Collections.synchronizedSet(new TreeSet<>());
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            context.setDelayLevelWhenNextConsume(1);
            messages.forEach(message -> seen.add(text(message) + " " + message.getReconsumeTimes()));
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        fill(topic);
        await("each message twice", () -> seen.size() >= 2 * COUNT);
        Thread.sleep(2 * QUIET_MS);
        require(seen.size() == 2 * COUNT, "got " + seen);
        consumer.shutdown();
    }

    /** By place, by the client's id, by key and by time. */
    private void query(String topic) throws Exception {
        long beginMs = System.currentTimeMillis() - 60000;
        long endMs = beginMs + 600000;
        DefaultMQProducer producer = producer(topic);
        SendResult sent = producer.send(message(topic, 7));
        MessageQueue queue = sent.getMessageQueue();
        require(text(producer.viewMessage(topic, sent.getOffsetMsgId())).equals("body-7"), "another message by place");
        await("the message by its key", () -> { // the index comes behind the log
            try {
                List<MessageExt> found = producer.queryMessage(topic, "key-7", 32, beginMs, endMs).getMessageList();
                return found.size() == 1 && text(found.get(0)).equals("body-7");
            } catch (MQClientException none) {
                return false;
            }
        });
        require(text(producer.viewMessage(topic, sent.getMsgId())).equals("body-7"), "another message by its id");
        require(producer.minOffset(queue) == 0 && producer.maxOffset(queue) == 1, "ends of the queue");
        require(producer.searchOffset(queue, beginMs) == 0 && producer.searchOffset(queue, endMs) == 1, "by time");
        require(producer.earliestMsgStoreTime(queue) > beginMs, "time of the first message");
        producer.shutdown();
    }

    /** What the broker passes on to a consumer: what it is doing, one message to take, offsets to go back to. */
    private void asked(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        Map<String, Integer> times = count(consumer);
        consumer.start();
        fill(topic);
        DefaultMQProducer producer = producer(topic);
        SendResult sent = producer.send(message(topic, COUNT));
        await("every message", () -> times.size() == COUNT + 1);
        MQClientInstance client = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory();
        MQClientAPIImpl calls = client.getMQClientAPIImpl();
        String broker = client.findBrokerAddressInPublish(sent.getMessageQueue().getBrokerName());
        String group = consumer.getConsumerGroup();
        var info = calls.getConsumerRunningInfo(broker, group, client.getClientId(), false, CALL_TIMEOUT_MS);
        require(info.getMqTable().keySet().containsAll(consumer.fetchSubscribeMessageQueues(topic)), "info " + info);
        require(takeDirectly(calls, broker, group, client.getClientId(), topic, sent.getOffsetMsgId())
                .equals("CR_SUCCESS"), "not taken");
        require(times.get("body-" + COUNT) == 2, "came " + times);
        calls.invokeBrokerToResetOffset(broker, topic, group, 0, true, CALL_TIMEOUT_MS);
        await("everything again", () -> times.values().stream().allMatch(n -> n >= 2) && times.get("body-" + COUNT) >= 3);
        producer.shutdown();
        consumer.shutdown();
    }

    /** 4.9.8 does not name the topic. */
    private static String takeDirectly(MQClientAPIImpl calls, String broker, String group, String client, String topic,
            String place) throws Exception {
        for (Method method : MQClientAPIImpl.class.getMethods()) {
            if (!method.getName().equals("consumeMessageDirectly"))
                continue;
            Object result = method.getParameterCount() == 6
                    ? method.invoke(calls, broker, group, client, topic, place, (long) CALL_TIMEOUT_MS)
                    : method.invoke(calls, broker, group, client, place, (long) CALL_TIMEOUT_MS);
            return result.getClass().getMethod("getConsumeResult").invoke(result).toString();
        }
        throw new AssertionError("no such call");
    }

    /** All that is sent comes; also to a topic that the first send makes. */
    private void takeAll(String topic, boolean isSentFirst) throws Exception {
        if (isSentFirst)
            fill(topic);
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        set(consumer, topic);
        consumer.subscribe(topic, "*");
        Set<String> seen = collect(consumer);
        consumer.start();
        if (!isSentFirst)
            fill(topic);
        await("every message", () -> seen.equals(bodies(1, 0)));
        consumer.shutdown();
    }

    /** A batch that the broker keeps as one comes message by message. */
    private void batchQueue(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        Set<String> seen = collect(consumer);
        consumer.start();
        DefaultMQProducer producer = producer(topic);
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < COUNT; i++)
            batch.add(message(topic, i));
        producer.send(batch);
        await("every message", () -> seen.equals(bodies(1, 0)));
        producer.shutdown();
        consumer.shutdown();
    }

    /** A message with this property comes, and not before `leastMs`. */
    private void later(String topic, String property, String value, long leastMs) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        Set<String> seen = collect(consumer);
        consumer.start();
        DefaultMQProducer producer = producer(topic);
        Message message = message(topic, 0);
        MessageAccessor.putProperty(message, property, value);
        long startNs = System.nanoTime();
        producer.send(message);
        await("the message", () -> !seen.isEmpty());
        long elapsedMs = (System.nanoTime() - startNs) / 1_000_000;
        require(elapsedMs >= leastMs, "came after " + elapsedMs + " ms");
        consumer.shutdown();
        producer.shutdown();
    }

    private void sql(String topic, boolean byPops) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        if (byPops)
            DefaultMQPushConsumer.class.getMethod("setClientRebalance", boolean.class).invoke(consumer, false);
        consumer.subscribe(topic, MessageSelector.bySql(SQL));
        Set<String> seen = collect(consumer);
        consumer.start();
        fill(topic);
        await("what matches", () -> seen.containsAll(SQL_MATCHES));
        Thread.sleep(QUIET_MS);
        require(seen.equals(SQL_MATCHES), "got " + seen);
        consumer.shutdown();
    }

    /** The same by polls. */
    private void sqlPull(String topic) throws Exception {
        fill(topic);
        Set<String> seen = new TreeSet<>();
        DefaultLitePullConsumer consumer = liteConsumer(topic, "a", MessageSelector.bySql(SQL));
        await("what matches", () -> {
            consumer.poll(200).forEach(message -> seen.add(text(message)));
            return seen.containsAll(SQL_MATCHES);
        });
        consumer.poll(QUIET_MS).forEach(message -> seen.add(text(message)));
        require(seen.equals(SQL_MATCHES), "got " + seen);
        consumer.shutdown();
    }

    /**
     * By their number modulo 4: 0 commits at once, 1 rolls back at once, 2 commits when the broker asks, 3 rolls back then.
     * It asks about 0 and 1, too, when their ends have not reached it within a second, which they may not.
     */
    private void transaction(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        Map<String, Integer> times = count(consumer);
        consumer.start();
        Set<String> asked = ConcurrentHashMap.newKeySet();
        TransactionMQProducer producer = new TransactionMQProducer("producers-" + topic);
        name(producer, "producer-" + topic);
        producer.setSendMsgTimeout(CALL_TIMEOUT_MS);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
                return switch (number(message) % 4) {
                    case 0 -> LocalTransactionState.COMMIT_MESSAGE;
                    case 1 -> LocalTransactionState.ROLLBACK_MESSAGE;
                    default -> LocalTransactionState.UNKNOW;
                };
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                asked.add(text(message));
                return number(message) % 2 == 0 ? LocalTransactionState.COMMIT_MESSAGE
                        : LocalTransactionState.ROLLBACK_MESSAGE;
            }
        });
        producer.start();
        for (int i = 0; i < COUNT; i++)
            producer.sendMessageInTransaction(message(topic, i), null);
        await("those that were committed", () -> times.keySet().containsAll(bodies(4, 0, 2))
                && asked.containsAll(bodies(4, 2, 3)));
        Thread.sleep(QUIET_MS);
        require(times.keySet().equals(bodies(4, 0, 2)), "delivered " + times);
        require(DUPLICATES || times.values().stream().allMatch(n -> n == 1), "delivered " + times);
        consumer.shutdown();
        producer.shutdown();
    }

    /**
     * The consumer answers and the asker is called with each answer. Not the request() that waits, nor the plain one with
     * a callback: those of 5.3.3 take the broker's word that it stored the request for the answer, and end without one
     * whenever the answer comes later than that (apache/rocketmq issue 9319).
     */
    private void requestReply(String topic) throws Exception {
        DefaultMQProducer answerer = producer(topic + "-answers");
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        Set<String> taken = ConcurrentHashMap.newKeySet(); // the broker told the answerer that the asker took it
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            try {
                for (MessageExt message : messages) {
                    answerer.send(MessageUtil.createReplyMessage(message,
                            ("re: " + text(message)).getBytes(StandardCharsets.UTF_8)));
                    taken.add(text(message));
                }
            } catch (Exception error) {
                System.out.println("no answer: " + error);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        DefaultMQProducer asker = producer(topic);
        Map<Integer, String> answers = new ConcurrentHashMap<>();
        for (int i = 0; i < COUNT; i++) {
            int number = i;
            asker.request(message(topic, i), (all, message, id) -> all.get((Integer) id % all.size()), i,
                    new RequestCallback() {
                        @Override
                        public void onSuccess(Message answer) {
                            answers.put(number, text(answer));
                        }

                        @Override
                        public void onException(Throwable error) {
                            answers.put(number, error.toString());
                        }
                    }, PATIENCE_S * 1000L);
        }
        await("all answers", () -> answers.size() == COUNT);
        answers.forEach((id, text) -> require(text.equals("re: body-" + id), "answer " + id + ": " + text));
        await("the answerer's own", () -> taken.equals(bodies(1, 0)));
        consumer.shutdown();
        asker.shutdown();
        answerer.shutdown();
    }

    /** What a producer with tracing did lies in the trace topic. */
    private void trace(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe("RMQ_SYS_TRACE_TOPIC", "*");
        Set<String> seen = collect(consumer);
        consumer.start();
        DefaultMQProducer producer = new DefaultMQProducer("traced-" + topic, null, true, null);
        name(producer, "traced-" + topic);
        producer.setSendMsgTimeout(CALL_TIMEOUT_MS);
        producer.start();
        Set<String> sent = new TreeSet<>(); // the client gives each trace 5 s to be sent, and forgets it then
        await("a trace of one that was sent", () -> {
            sent.add(producer.send(message(topic, sent.size())).getMsgId());
            Thread.sleep(500);
            synchronized (seen) {
                return seen.stream().anyMatch(text -> text.contains(topic) && sent.stream().anyMatch(text::contains));
            }
        });
        producer.shutdown();
        consumer.shutdown();
    }

    /** Of two messages that are due later, the one that is recalled does not come. */
    private void recall(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic, "a");
        consumer.subscribe(topic, "*");
        Set<String> seen = collect(consumer);
        consumer.start();
        DefaultMQProducer producer = producer(topic);
        List<SendResult> sent = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Message message = message(topic, i);
            MessageAccessor.putProperty(message, "TIMER_DELAY_MS", "8000"); // it is recalled before
            sent.add(producer.send(message));
        }
        String handle = (String) SendResult.class.getMethod("getRecallHandle").invoke(sent.get(0));
        require(handle != null, "no handle in the answer");
        DefaultMQProducer.class.getMethod("recallMessage", String.class, String.class).invoke(producer, topic, handle);
        await("the other message", () -> seen.contains("body-1"));
        Thread.sleep(QUIET_MS);
        require(seen.equals(Set.of("body-1")), "got " + seen);
        consumer.shutdown();
        producer.shutdown();
    }

    /**
     * Members that let the broker share out (its mode for the group is POP, set before) get each message once; what they
     * refuse comes again and says so.
     */
    private void pop(String topic) throws Exception {
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        Map<String, List<Integer>> taken = new ConcurrentHashMap<>(); // body -> how often it was refused, each time it came
        for (String name : List.of("a", "b")) {
            DefaultMQPushConsumer member = consumer(topic, name);
            DefaultMQPushConsumer.class.getMethod("setClientRebalance", boolean.class).invoke(member, false);
            member.subscribe(topic, "*");
            member.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                for (MessageExt message : messages) {
                    if (message.getProperty("POP_CK") == null)
                        continue; // pulled, by a client that fell back to that
                    if (number(message) % 10 == 7 && message.getReconsumeTimes() == 0)
                        return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                    taken.computeIfAbsent(text(message), body -> Collections.synchronizedList(new ArrayList<>()))
                            .add(message.getReconsumeTimes());
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
            member.start();
            members.add(member);
        }
        fill(topic);
        await("every message", () -> taken.keySet().equals(bodies(1, 0)));
        Thread.sleep(QUIET_MS);
        Set<String> refused = bodies(10, 7);
        taken.forEach((body, times) -> require(times.equals(List.of(refused.contains(body) ? 1 : 0)), body + " came " + times));
        members.forEach(DefaultMQPushConsumer::shutdown);
    }
}
