import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.coordinator.transaction.generated.TransactionLogKey;
import org.apache.kafka.coordinator.transaction.generated.TransactionLogValue;
import org.apache.kafka.tools.DumpLogSegments;

/** What is done to the files of a broker that does not run. */
final class Disk {
    private static final byte PREPARE_COMMIT = 2;
    private static final byte PREPARE_ABORT = 3;

    private Disk() {
    }

    /** kafka-dump-log with "args": what it prints. */
    static JsonNode dump(JsonNode r) throws Exception {
        List<String> args = new ArrayList<>();
        r.get("args").forEach(a -> args.add(a.asText()));
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        PrintStream before = System.out;
        System.setOut(new PrintStream(text, true, StandardCharsets.UTF_8));
        try {
            DumpLogSegments.main(args.toArray(new String[0]));
        } finally {
            System.out.flush();
            System.setOut(before);
        }
        return JsonNodeFactory.instance.textNode(text.toString(StandardCharsets.UTF_8));
    }

    /**
     * Writes that the transaction of "id" is decided, below "dirs", as a coordinator writes it that dies before it has sent the
     * first marker.
     */
    static JsonNode prepare(JsonNode r) throws Exception {
        for (JsonNode dir : r.get("dirs")) {
            for (File partition : new File(dir.asText()).listFiles((d, name) -> name.startsWith("__transaction_state-"))) {
                if (prepareIn(partition, r.get("id").asText(), r.get("commit").asBoolean())) {
                    return JsonNodeFactory.instance.textNode(partition.toString());
                }
            }
        }
        throw new IllegalStateException("no transaction of " + r.get("id"));
    }

    private static boolean prepareIn(File partition, String id, boolean commit) throws Exception {
        File[] segments = partition.listFiles((d, name) -> name.endsWith(".log"));
        Arrays.sort(segments);
        ByteBuffer key = null;
        TransactionLogValue value = null;
        short version = 0;
        RecordBatch last = null;
        for (File segment : segments) {
            try (FileRecords records = FileRecords.open(segment)) {
                for (RecordBatch batch : records.batches()) {
                    last = batch;
                    for (Record record : batch) {
                        ByteBuffer k = record.key();
                        k.getShort();
                        if (record.hasValue() && new TransactionLogKey(new ByteBufferAccessor(k), (short) 0).transactionalId().equals(id)) {
                            key = record.key();
                            ByteBuffer v = record.value();
                            version = v.getShort();
                            value = new TransactionLogValue(new ByteBufferAccessor(v), version);
                        }
                    }
                }
            }
        }
        if (value == null) {
            return false;
        }
        boolean bumps = value.clientTransactionVersion() >= 2;
        value.setTransactionStatus(commit ? PREPARE_COMMIT : PREPARE_ABORT);
        value.setTransactionLastUpdateTimestampMs(value.transactionLastUpdateTimestampMs() + 1);
        value.setProducerEpoch((short) (value.producerEpoch() + (bumps ? 1 : 0)));
        ByteBuffer bytes = MessageUtil.toVersionPrefixedByteBuffer(version, value);
        MemoryRecords batch = MemoryRecords.withRecords(last.nextOffset(), Compression.NONE, last.partitionLeaderEpoch(),
            new SimpleRecord(value.transactionLastUpdateTimestampMs(), key, bytes));
        try (FileChannel out = FileChannel.open(segments[segments.length - 1].toPath(), StandardOpenOption.APPEND)) {
            batch.writeFullyTo(out);
        }
        return true;
    }
}
