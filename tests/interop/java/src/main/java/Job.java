import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The main job: senders of every kind fill 4 topics of 8 queues, and two consumer groups, whose members come and go,
 * read all of it. Whoever started the job may stop and start the broker meanwhile.
 *
 * <p>java Job NAMESRV COUNT SEED SECONDS DEADLINE_S DIRECTORY: COUNT messages spread over at least SECONDS. Prints
 * `progress N` while it sends, then the faults it found and a summary; exits 0 when there is no fault, 1 otherwise.
 * The property job.brokers names the brokers whose queues are filled, `NAME,NAME`.
 */
final class Job {
    static final String[] TAGS = {"red", "green", "blue", "white", "black"};
    static final int CLIENT_INTERVAL_MS = 1000;
    private static final int TOPICS = 4;
    private static final int QUEUES = 8;
    private static final String[] BROKERS = System.getProperty("job.brokers", "broker-a").split(",");
    private static final int RENEW_MS = 1500;
    private static final int QUIET_MS = 4000; // nothing came for so long: nothing will

    final String nameServer;
    final int count;
    final long seed;
    final Path directory;
    final List<String> topics = new ArrayList<>();
    final Payload payload;
    final Ledger ledger;
    final AtomicInteger oneways = new AtomicInteger();
    final AtomicInteger retried = new AtomicInteger();

    private final int seconds;
    private final int deadlineS;
    private final AtomicInteger nextId = new AtomicInteger();
    private final List<Sender> senders = new ArrayList<>();
    private final List<Group> groups = new ArrayList<>();
    private final Map<String, Integer> failures = new ConcurrentHashMap<>();
    private long startNs;
    private long dueNs;

    private Job(String[] args) throws Exception {
        nameServer = args[0];
        count = Integer.parseInt(args[1]);
        seed = Long.parseLong(args[2]);
        seconds = Integer.parseInt(args[3]);
        deadlineS = Integer.parseInt(args[4]);
        directory = Files.createDirectories(Path.of(args[5]));
        payload = new Payload(seed);
        ledger = new Ledger(count, directory);
        for (int i = 0; i < TOPICS; i++)
            topics.add("colours-" + i);
    }

    public static void main(String[] args) throws Exception {
        System.exit(new Job(args).run() ? 0 : 1);
    }

    private boolean run() throws Exception {
        for (int i = 0; i < Sender.COUNT; i++)
            senders.add(new Sender(this, i));
        for (Sender sender : senders)
            sender.open();
        for (String topic : topics)
            createTopic(senders.get(0).producer(), topic);
        groups.add(new Group(this, "in-order", true));
        groups.add(new Group(this, "concurrent", false));
        for (Group group : groups)
            group.open();
        startNs = System.nanoTime();
        dueNs = startNs;
        senders.forEach(Thread::start);
        Thread renewer = new Thread(this::renewMembers, "renewer");
        renewer.start();
        while (isSending() && !late()) {
            System.out.println("progress " + Math.min(nextId.get(), count));
            Thread.sleep(100);
        }
        System.out.println("progress " + count);
        renewer.join();
        boolean complete = awaitDelivery();
        System.out.println("delivered");
        System.in.read(); // whoever started the job closes its input when the groups may go
        for (Sender sender : senders)
            sender.close();
        for (Group group : groups)
            group.close();
        ledger.close();
        return report(complete);
    }

    /** 5.x wants the attributes of the topic besides. */
    private static void createTopic(DefaultMQProducer producer, String topic) throws Exception {
        for (Method method : DefaultMQProducer.class.getMethods()) {
            if (!method.getName().equals("createTopic") || method.getParameterTypes()[2] != int.class)
                continue;
            if (method.getParameterCount() == 3) {
                method.invoke(producer, "TBW102", topic, QUEUES);
                return;
            }
            if (method.getParameterCount() == 4 && method.getParameterTypes()[3] == Map.class) {
                method.invoke(producer, "TBW102", topic, QUEUES, Collections.emptyMap());
                return;
            }
        }
        throw new NoSuchMethodException("createTopic");
    }

    /**
     * The next message to send, or -1 after the last; not faster than `seconds` for all of them. Time that the broker
     * was away is not made up for, or the one-way sender, which does not wait for it, would send the rest to nobody.
     */
    int nextId() throws InterruptedException {
        int id = nextId.getAndIncrement();
        if (id >= count)
            return -1;
        long pauseMs = nextPauseNs() / 1_000_000; // what is shorter adds up
        if (pauseMs > 0)
            Thread.sleep(pauseMs);
        return id;
    }

    private synchronized long nextPauseNs() {
        long nowNs = System.nanoTime();
        dueNs = Math.max(dueNs + seconds * 1_000_000_000L / count, nowNs);
        return dueNs - nowNs;
    }

    String topic(SplittableRandom random) {
        return topics.get(random.nextInt(TOPICS));
    }

    MessageQueue queue(String topic, SplittableRandom random) {
        return new MessageQueue(topic, BROKERS[random.nextInt(BROKERS.length)], random.nextInt(QUEUES));
    }

    void sendFailed(Throwable error) {
        String text = error == null ? "status" : error.getClass().getSimpleName() + ": " + error.getMessage();
        failures.merge(text.substring(0, Math.min(text.length(), 90)).replaceAll("[0-9]+", "N"), 1, Integer::sum);
    }

    private boolean isSending() {
        return senders.stream().anyMatch(Thread::isAlive);
    }

    /** Lets members come and go until all is sent. */
    private void renewMembers() {
        SplittableRandom random = new SplittableRandom(seed);
        try {
            while (isSending() && !late()) {
                Thread.sleep(RENEW_MS);
                for (Group group : groups)
                    group.renew(random);
            }
        } catch (Exception error) {
            ledger.fault("a member could not be replaced: %s", error);
        }
    }

    boolean late() {
        return System.nanoTime() - startNs > deadlineS * 1_000_000_000L;
    }

    /** Waits until both groups have all that was acknowledged and nothing more comes; false: that took too long. */
    private boolean awaitDelivery() throws InterruptedException {
        while (!late()) {
            Thread.sleep(100);
            if (groups.stream().allMatch(this::isComplete)
                    && groups.get(0).delivered.stored() == groups.get(1).delivered.stored())
                return true;
        }
        return false;
    }

    private boolean isComplete(Group group) {
        if (System.currentTimeMillis() - group.delivered.lastMs.get() < QUIET_MS || !group.isIdle())
            return false;
        for (int id = 0; id < count; id++)
            if (ledger.isAcked(id) && !group.delivered.has(id))
                return false;
        return true;
    }

    private boolean report(boolean complete) {
        if (!complete)
            ledger.fault("not finished within %d s", deadlineS);
        for (Group group : groups)
            group.delivered.verify();
        groups.get(0).delivered.compare(groups.get(1).delivered);
        failures.forEach((text, times) -> System.out.println("send failed " + times + " times: " + text));
        List<String> faults = ledger.faults();
        faults.stream().limit(20).forEach(fault -> System.out.println("fault: " + fault));
        System.out.printf("summary messages=%d acked=%d oneway=%d failed_sends=%d", count, ledger.ackedCount.get(),
                oneways.get(), ledger.failedSends.get());
        System.out.printf(" stored=%d retried=%d seconds=%.1f faults=%d", groups.get(0).delivered.stored(),
                retried.get(), (System.nanoTime() - startNs) / 1e9, faults.size());
        for (Group group : groups)
            System.out.printf(" %s=%d duplicates=%d renewals=%d", group.delivered.group,
                    group.delivered.distinct.get(), group.delivered.duplicates.get(), group.renewals);
        System.out.println();
        return faults.isEmpty();
    }
}
