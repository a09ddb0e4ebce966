import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What was delivered to one consumer group, and where in its queue it lay. Every delivery is also a line
 * `id broker topic queue queue_offset again` of the file `delivered-GROUP`. Any thread.
 */
final class Delivered {
    final String group;
    final AtomicInteger distinct = new AtomicInteger();
    final AtomicInteger duplicates = new AtomicInteger();
    final AtomicLong lastMs = new AtomicLong(System.currentTimeMillis());

    private final boolean inOrder;
    private final Ledger ledger;
    private final AtomicIntegerArray times;
    private final PrintWriter file;
    private final Map<String, Queue> queues = new TreeMap<>();

    /** inOrder: the members read queues in order, so that the first delivery of each offset follows the one before. */
    Delivered(String group, boolean inOrder, Ledger ledger, Path directory) {
        this.group = group;
        this.inOrder = inOrder;
        this.ledger = ledger;
        times = new AtomicIntegerArray(ledger.count);
        file = Ledger.open(directory.resolve("delivered-" + group));
    }

    /** The ids of a queue by queue offset, -1 where none was delivered yet. */
    private static final class Queue {
        private int[] idAt = new int[1024];
        private int end;

        private void put(int offset, int id) {
            if (offset >= idAt.length)
                idAt = Arrays.copyOf(idAt, Math.max(offset + 1, idAt.length * 2));
            if (offset >= end) {
                Arrays.fill(idAt, end, offset, -1);
                end = offset + 1;
            }
            idAt[offset] = id;
        }

        private boolean has(int offset) {
            return offset < end && idAt[offset] >= 0;
        }
    }

    /** again: it came by way of the retry topic. */
    void record(int id, String broker, String topic, int queueId, long queueOffset, boolean again) {
        lastMs.set(System.currentTimeMillis());
        (times.getAndIncrement(id) == 0 ? distinct : duplicates).incrementAndGet();
        file.println(id + " " + broker + " " + topic + " " + queueId + " " + queueOffset + " " + again);
        if (!again) // else the offset is one of the retry topic
            place(id, broker + "/" + topic + "/" + queueId, Math.toIntExact(queueOffset));
    }

    private void place(int id, String name, int offset) {
        synchronized (queues) {
            Queue queue = queues.computeIfAbsent(name, key -> new Queue());
            if (queue.has(offset) && queue.idAt[offset] != id)
                ledger.fault("%s: %s offset %d held message %d, now %d", group, name, offset, queue.idAt[offset], id);
            if (inOrder && offset > queue.end)
                ledger.fault("%s: %s offset %d was delivered before offset %d", group, name, offset, queue.end);
            queue.put(offset, id);
        }
    }

    boolean has(int id) {
        return times.get(id) > 0;
    }

    /** How many messages lie in the queues, as seen from here. */
    long stored() {
        synchronized (queues) {
            return queues.values().stream().mapToLong(queue -> queue.end).sum();
        }
    }

    /** Every acknowledged message came; no queue has a hole; what was sent in order lies in order. */
    void verify() {
        for (int id = 0; id < ledger.count; id++)
            if (ledger.isAcked(id) && !has(id))
                ledger.fault("%s: message %d was acknowledged and not delivered", group, id);
        synchronized (queues) {
            queues.forEach(this::verifyQueue);
        }
    }

    private void verifyQueue(String name, Queue queue) {
        int[] last = new int[Sender.COUNT];
        Arrays.fill(last, -1);
        boolean[] seen = new boolean[ledger.count];
        for (int offset = 0; offset < queue.end; offset++) {
            int id = queue.idAt[offset];
            if (id < 0) {
                ledger.fault("%s: %s offset %d was not delivered", group, name, offset);
                continue;
            }
            int sender = ledger.orderedSender(id);
            if (sender < 0 || seen[id]) // a send repeated after a lost reply is stored once more, later
                continue;
            seen[id] = true;
            if (id < last[sender])
                ledger.fault("%s: %s has message %d of sender %d after %d", group, name, id, sender, last[sender]);
            last[sender] = id;
        }
    }

    /** Both groups saw the same message at the same place. */
    void compare(Delivered other) {
        synchronized (queues) {
            queues.forEach((name, queue) -> {
                Queue theirs = other.queues.get(name);
                if (theirs == null || theirs.end != queue.end
                        || !Arrays.equals(queue.idAt, 0, queue.end, theirs.idAt, 0, queue.end))
                    ledger.fault("%s: %s and %s saw different messages", name, group, other.group);
            });
        }
    }

    void close() {
        file.close();
    }
}
