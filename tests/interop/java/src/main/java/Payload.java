import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;

/** The body of message `id` of a run: decided by the seed, so that a reader can tell a changed byte. */
final class Payload {
    static final int MIN_BYTES = 10;
    static final int MAX_BYTES = 256 * 1024;

    private final long seed;

    Payload(long seed) {
        this.seed = seed;
    }

    byte[] body(int id) {
        SplittableRandom random = new SplittableRandom(seed * 1_000_003 + id);
        byte[] body = new byte[length(id, random)];
        ByteBuffer at = ByteBuffer.wrap(body).putInt(id);
        while (at.hasRemaining()) { // runs of a byte between random words: half of it compresses away
            int run = Math.min(at.remaining(), 1 + random.nextInt(24));
            Arrays.fill(body, at.position(), at.position() + run, (byte) random.nextInt());
            at.position(at.position() + run);
            if (at.remaining() >= Long.BYTES)
                at.putLong(random.nextLong());
        }
        return body;
    }

    /** Both ends are met for certain; between them a few KiB on average. */
    private static int length(int id, SplittableRandom random) {
        if (id == 0)
            return MIN_BYTES;
        if (id == 1)
            return MAX_BYTES;
        int kind = random.nextInt(100);
        if (kind < 80)
            return between(MIN_BYTES, 1000, random);
        return kind < 98 ? between(1000, 8000, random) : between(8000, MAX_BYTES, random);
    }

    /** As likely to double once from the low end as once more below the high end. */
    private static int between(int low, int high, SplittableRandom random) {
        return (int) (low * Math.pow((double) high / low, random.nextDouble()));
    }

    boolean matches(int id, byte[] body) {
        return Arrays.equals(body, body(id));
    }
}
