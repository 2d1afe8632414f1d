import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.zip.CRC32C;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/** Puts every case of a file (see batch_check.c) before Apache Kafka's LogValidator and compares. */
public final class BatchCheck {
    private static final int SOUND = 0;
    private static final int REFUSED = 1;
    private static final int BAD_TIMESTAMP = 2;
    private static final long BASE_OFFSET = 1000;
    private static final int FAILURES_SHOWN = 20;

    /** Apache Kafka's answer. */
    private static final class Answer {
        int outcome = SOUND;
        long maxTimestamp;
        int[] badRecords = new int[0];
        MemoryRecords records;
        String words = "";
    }

    private record Case(boolean isFromClient, boolean isCompacted, TimestampType topicTime, long now, long before,
                        long after, CompressionType target, byte[] batch, int outcome, long maxTimestamp,
                        int[] badRecords, boolean isStricter, int digest) {
    }

    private final BufferSupplier buffers = BufferSupplier.create();
    private int passed;
    private int failed;
    private int stricter;
    private final int[] outcomes = new int[3];

    private BatchCheck() {
    }

    private static int[] readInts(DataInputStream in) throws IOException {
        int[] ints = new int[in.readInt()];
        for (int i = 0; i < ints.length; i++)
            ints[i] = in.readInt();
        return ints;
    }

    private static Case read(DataInputStream in) throws IOException {
        int flags = in.readInt();
        long now = in.readLong();
        long before = in.readLong();
        long after = in.readLong();
        CompressionType target = CompressionType.forId(in.readInt());
        byte[] batch = new byte[in.readInt()];
        in.readFully(batch);
        return new Case((flags & 1) != 0, (flags & 2) != 0,
            (flags & 4) != 0 ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME, now, before, after, target,
            batch, in.readInt(), in.readLong(), readInts(in), (flags & 8) != 0, in.readInt());
    }

    private static Time clock(long now) {
        return new Time() {
            @Override
            public long milliseconds() {
                return now;
            }

            @Override
            public long nanoseconds() {
                return now * 1000000;
            }

            @Override
            public void sleep(long ms) {
                throw new UnsupportedOperationException();
            }

            @Override
            public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) {
                throw new UnsupportedOperationException();
            }
        };
    }

    private static Compression compression(CompressionType type) {
        return Compression.of(type).build();
    }

    private static final LogValidator.MetricsRecorder NO_METRICS = new LogValidator.MetricsRecorder() {
        @Override
        public void recordInvalidMagic() {
        }

        @Override
        public void recordInvalidOffset() {
        }

        @Override
        public void recordInvalidSequence() {
        }

        @Override
        public void recordInvalidChecksums() {
        }

        @Override
        public void recordNoKeyCompactedTopic() {
        }
    };

    private Answer ask(Case c) {
        Answer answer = new Answer();
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(c.batch.clone()));
        try {
            CompressionType source = records.batches().iterator().next().compressionType();
            LogValidator.ValidationResult result = new LogValidator(records, new TopicPartition("t", 0), clock(c.now),
                source, compression(c.target), c.isCompacted, RecordBatch.CURRENT_MAGIC_VALUE, c.topicTime, c.before,
                c.after, 0, c.isFromClient ? AppendOrigin.CLIENT : AppendOrigin.COORDINATOR)
                .validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(BASE_OFFSET), NO_METRICS, buffers);
            answer.maxTimestamp = result.maxTimestampMs();
            answer.records = result.validatedRecords();
        } catch (RecordValidationException e) {
            answer.outcome = e.invalidException() instanceof InvalidTimestampException ? BAD_TIMESTAMP : REFUSED;
            answer.badRecords = e.recordErrors().stream().mapToInt(error -> error.batchIndex).toArray();
            answer.words = e.toString();
        } catch (RuntimeException | OutOfMemoryError e) {
            answer.outcome = REFUSED;
            answer.words = e.toString();
        }
        return answer;
    }

    private static void putRun(ByteBuffer out, ByteBuffer run) {
        out.putInt(run == null ? -1 : run.remaining());
        if (run != null)
            out.put(run);
    }

    private static int digest(MemoryRecords records, int sizeMax) {
        CRC32C crc = new CRC32C();
        ByteBuffer out = ByteBuffer.allocate(sizeMax);
        for (MutableRecordBatch batch : records.batches()) {
            batch.ensureValid();
            out.putLong(batch.baseOffset()).putLong(batch.lastOffset()).putLong(batch.maxTimestamp());
            for (Record record : batch) {
                out.putLong(record.offset()).putLong(record.timestamp());
                putRun(out, record.key());
                putRun(out, record.value());
                for (Header header : record.headers()) {
                    if (header.key().indexOf(0xFFFD) < 0) // that stands for bytes that are no UTF-8
                        putRun(out, ByteBuffer.wrap(header.key().getBytes(StandardCharsets.UTF_8)));
                    putRun(out, header.value() == null ? null : ByteBuffer.wrap(header.value()));
                }
                crc.update(out.flip());
                out.clear();
            }
        }
        return (int) crc.getValue();
    }

    /** Whether a consumer could read all of it. */
    private static boolean isReadable(byte[] bytes) {
        try {
            for (Record record : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).records())
                record.offset();
            return true;
        } catch (RuntimeException | OutOfMemoryError e) {
            return false;
        }
    }

    private String difference(Case c) {
        Answer answer = ask(c);
        outcomes[answer.outcome]++;
        if (c.isStricter && (answer.outcome != REFUSED || answer.badRecords.length > 0)) {
            stricter++;
            return isReadable(c.batch) ? "refused here, but readable" : null;
        }
        if (answer.outcome != c.outcome)
            return "outcome " + answer.outcome + " (" + answer.words + "), here " + c.outcome;
        if (!Arrays.equals(answer.badRecords, c.badRecords))
            return "bad records " + Arrays.toString(answer.badRecords) + ", here "
                + Arrays.toString(c.badRecords);
        if (c.outcome != SOUND)
            return null;
        if (answer.maxTimestamp != c.maxTimestamp)
            return "largest timestamp " + answer.maxTimestamp + ", here " + c.maxTimestamp;
        if (digest(answer.records, 1 << 22) != c.digest)
            return "other records";
        return null;
    }

    private void check(String path) throws IOException {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(path)))) {
            for (int count = in.readInt(), i = 0; i < count; i++) {
                String difference = difference(read(in));
                if (difference == null)
                    passed++;
                else if (++failed <= FAILURES_SHOWN)
                    System.out.println("FAIL case " + i + ": " + difference);
            }
        }
    }

    public static void main(String[] args) throws IOException {
        BatchCheck check = new BatchCheck();
        for (String path : List.of(args))
            check.check(path);
        System.out.println("sound " + check.outcomes[SOUND] + ", refused " + check.outcomes[REFUSED] + ", bad timestamps "
            + check.outcomes[BAD_TIMESTAMP] + ", refused here alone because no consumer could read it " + check.stricter);
        System.out.println(check.passed + " passed, " + check.failed + " failed");
        System.exit(check.failed == 0 ? 0 : 1);
    }
}
