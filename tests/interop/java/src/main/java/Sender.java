import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * One producer on a thread and connections of its own. What fails is sent again until it is acknowledged, but for
 * one-way messages, which nobody acknowledges.
 */
final class Sender extends Thread {
    /** How a sender sends; the senders of a run take turns with these. */
    enum Mode { SYNC, SYNC_ANY_QUEUE, ASYNC, BATCH, ONEWAY, SYNC_ALSO, ASYNC_ALSO, BATCH_ALSO }

    static final int COUNT = Mode.values().length;
    private static final String[] COMPRESSIONS = {"ZLIB", "LZ4", "ZSTD"};
    private static final int ASYNC_WINDOW = 256;
    private static final int BATCH_MESSAGES = 32;
    private static final int BATCH_BYTES = 1 << 20;
    private static final int TIMEOUT_MS = 5000;
    private static final int PAUSE_MS = 50; // before a send is repeated

    private final Job job;
    private final int index;
    private final Mode mode;
    private final DefaultMQProducer producer;
    private final SplittableRandom random;
    private final Semaphore window = new Semaphore(ASYNC_WINDOW);
    private final Queue<Integer> again = new ConcurrentLinkedQueue<>();

    Sender(Job job, int index) {
        super("sender-" + index);
        this.job = job;
        this.index = index;
        mode = Mode.values()[index];
        random = new SplittableRandom(job.seed + index);
        // read by the constructor of the 5.x producer; 4.x has ZLIB alone
        System.setProperty("rocketmq.message.compressType", COMPRESSIONS[index % COMPRESSIONS.length]);
        producer = new DefaultMQProducer("senders-" + index);
        producer.setInstanceName("sender-" + index);
        producer.setNamesrvAddr(job.nameServer);
        producer.setCompressMsgBodyOverHowmuch(512);
        producer.setSendMsgTimeout(TIMEOUT_MS);
        producer.setPollNameServerInterval(Job.CLIENT_INTERVAL_MS);
        producer.setHeartbeatBrokerInterval(Job.CLIENT_INTERVAL_MS);
    }

    DefaultMQProducer producer() {
        return producer;
    }

    void open() throws MQClientException {
        producer.start();
    }

    @Override
    public void run() {
        try {
            switch (mode) {
                case SYNC, SYNC_ALSO, SYNC_ANY_QUEUE -> runSync();
                case ASYNC, ASYNC_ALSO -> runAsync();
                case BATCH, BATCH_ALSO -> runBatches();
                case ONEWAY -> runOneway();
            }
        } catch (InterruptedException error) {
            job.ledger.fault("sender %d was interrupted", index);
        } catch (RuntimeException error) {
            job.ledger.fault("sender %d: %s", index, error);
        }
    }

    private void runSync() throws InterruptedException {
        for (int id = job.nextId(); id >= 0; id = job.nextId()) {
            if (mode != Mode.SYNC_ANY_QUEUE)
                job.ledger.sentInOrder(id, index);
            Message message = message(job.topic(random), id);
            MessageQueue queue = job.queue(message.getTopic(), random);
            boolean done = false;
            while (!done)
                done = attempt(mode == Mode.SYNC_ANY_QUEUE ? () -> producer.send(message)
                        : () -> producer.send(message, queue));
            job.ledger.acked(id);
        }
    }

    private void runBatches() throws InterruptedException {
        List<Integer> ids = new ArrayList<>();
        List<Message> batch = new ArrayList<>();
        String topic = job.topic(random);
        int bytes = 0;
        for (int id = job.nextId(); id >= 0; id = job.nextId()) {
            job.ledger.sentInOrder(id, index);
            Message message = message(topic, id);
            ids.add(id);
            batch.add(message);
            bytes += message.getBody().length;
            if (batch.size() == BATCH_MESSAGES || bytes > BATCH_BYTES) {
                sendBatch(batch, ids, topic);
                topic = job.topic(random);
                bytes = 0;
            }
        }
        if (!batch.isEmpty())
            sendBatch(batch, ids, topic);
    }

    private void sendBatch(List<Message> batch, List<Integer> ids, String topic) throws InterruptedException {
        MessageQueue queue = job.queue(topic, random);
        boolean done = false;
        while (!done)
            done = attempt(() -> producer.send(batch, queue));
        ids.forEach(job.ledger::acked);
        ids.clear();
        batch.clear();
    }

    private interface Call {
        SendResult send() throws Exception;
    }

    private boolean attempt(Call call) throws InterruptedException {
        try {
            if (call.send().getSendStatus() == SendStatus.SEND_OK)
                return true;
        } catch (InterruptedException error) {
            throw error;
        } catch (Exception error) {
            job.sendFailed(error);
        }
        job.ledger.failedSends.incrementAndGet();
        Thread.sleep(PAUSE_MS);
        return false;
    }

    private void runAsync() throws InterruptedException {
        for (int id = job.nextId(); id >= 0; id = job.nextId()) {
            repeatFailed();
            sendAsync(id);
        }
        while (window.availablePermits() < ASYNC_WINDOW || !again.isEmpty()) {
            repeatFailed();
            Thread.sleep(5);
        }
    }

    private void repeatFailed() throws InterruptedException {
        for (Integer id = again.poll(); id != null; id = again.poll()) {
            Thread.sleep(PAUSE_MS);
            sendAsync(id);
        }
    }

    private void sendAsync(int id) throws InterruptedException {
        window.acquire();
        Message message = message(job.topic(random), id);
        try {
            producer.send(message, job.queue(message.getTopic(), random), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (result.getSendStatus() == SendStatus.SEND_OK)
                        job.ledger.acked(id);
                    else
                        failedAsync(id, null);
                    window.release();
                }

                @Override
                public void onException(Throwable error) {
                    failedAsync(id, error);
                    window.release();
                }
            });
        } catch (InterruptedException error) {
            throw error;
        } catch (Exception error) {
            failedAsync(id, error);
            window.release();
        }
    }

    private void failedAsync(int id, Throwable error) {
        job.ledger.failedSends.incrementAndGet();
        job.sendFailed(error);
        again.add(id);
    }

    private void runOneway() throws InterruptedException {
        for (int id = job.nextId(); id >= 0; id = job.nextId()) {
            Message message = message(job.topic(random), id);
            try {
                producer.sendOneway(message, job.queue(message.getTopic(), random));
                job.oneways.incrementAndGet();
            } catch (InterruptedException error) {
                throw error;
            } catch (Exception error) {
                job.ledger.failedSends.incrementAndGet();
                job.sendFailed(error);
                Thread.sleep(PAUSE_MS);
            }
        }
    }

    private Message message(String topic, int id) {
        String tag = Job.TAGS[id % Job.TAGS.length];
        Message message = new Message(topic, tag, Integer.toString(id), job.payload.body(id));
        message.putUserProperty("sender", Integer.toString(index));
        return message;
    }

    void close() {
        producer.shutdown();
    }
}
