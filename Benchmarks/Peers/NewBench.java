import java.util.Arrays;
import java.util.Locale;

/**
 * Java's {@code new}, in nanoseconds an object: kept alive in an array, and dropped at once.
 *
 * <p>Each kind runs several times, the first ones only to warm up the compiler; the median of the
 * others is printed. Which collector runs, and whether it runs at all, is up to the options of
 * the virtual machine.
 */
public final class NewBench {
    private static final int WARM_UP_ROUNDS = 3;
    private static final int ROUNDS = 5;

    /** An object without fields: a header of 12 bytes, 16 with padding. */
    private static final class Empty {}

    /** Stored to by every dropped object, so that the compiler cannot leave it out. */
    private static Object sink;

    private interface Kind {
        void allocate();
    }

    private NewBench() {}

    private static double medianNanoseconds(Kind kind) {
        long[] samples = new long[ROUNDS];
        for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
            long start = System.nanoTime();
            kind.allocate();
            long nanoseconds = System.nanoTime() - start;
            if (round >= 0) {
                samples[round] = nanoseconds;
            }
        }
        Arrays.sort(samples);
        return samples[ROUNDS / 2];
    }

    private static void report(String name, int objects, double nanoseconds) {
        System.out.printf(
                Locale.ROOT,
                "{\"name\":\"%s\",\"objects\":%d,\"ns_per_object\":%.3f}%n",
                name,
                objects,
                nanoseconds / objects);
    }

    public static void main(String[] arguments) {
        int objects = Integer.parseInt(arguments[0]);
        Object[] kept = new Object[objects];
        report("java-kept", objects, medianNanoseconds(() -> {
            for (int i = 0; i < kept.length; i++) {
                kept[i] = new Empty();
            }
        }));
        report("java-dropped", objects, medianNanoseconds(() -> {
            for (int i = 0; i < objects; i++) {
                sink = new Empty();
            }
        }));
    }
}
