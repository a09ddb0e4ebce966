import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * What was acknowledged. Every id is also a line of the file `acked`, written before anyone else hears of it.
 * Any thread.
 */
final class Ledger {
    final int count;
    final AtomicInteger ackedCount = new AtomicInteger();
    final AtomicInteger failedSends = new AtomicInteger();

    private final AtomicIntegerArray acks;
    private final AtomicIntegerArray orderedSender; // 1 + the sender that waits for each reply, or 0
    private final PrintWriter file;
    private final List<String> faults = new ArrayList<>();

    Ledger(int count, Path directory) {
        this.count = count;
        acks = new AtomicIntegerArray(count);
        orderedSender = new AtomicIntegerArray(count);
        file = open(directory.resolve("acked"));
    }

    static PrintWriter open(Path path) {
        try {
            return new PrintWriter(Files.newBufferedWriter(path));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** The id is sent by a sender that sends in order to one queue, and waits for each reply. */
    void sentInOrder(int id, int sender) {
        orderedSender.set(id, sender + 1);
    }

    int orderedSender(int id) {
        return orderedSender.get(id) - 1;
    }

    void acked(int id) {
        if (acks.getAndIncrement(id) > 0)
            return;
        ackedCount.incrementAndGet();
        file.println(id);
    }

    boolean isAcked(int id) {
        return acks.get(id) > 0;
    }

    /** Something that must not happen did. */
    synchronized void fault(String format, Object... arguments) {
        if (faults.size() < 1000)
            faults.add(String.format(format, arguments));
    }

    synchronized List<String> faults() {
        return List.copyOf(faults);
    }

    void close() {
        file.close();
    }
}
