import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;

/**
 * Record batches from JSON and to JSON.
 *
 * <pre>
 *   {codec: 'lz4', magic: 2, baseOffset: 0, pid: -1, epoch: -1, sequence: -1, transactional: false,
 *    logAppendTime: false, records: [{key: 'k', value: 'v', time: 1000, headers: {a: 'b'}}],
 *    patch: [[23, '00']], crc: true}
 * </pre>
 *
 * An array of such objects is several batches. `patch` writes over bytes of the finished batch (positions below zero count
 * from its end), `crc` makes its checksum right again; {hex: ''} is bytes as they are.
 */
final class Batches {
    private static final int BATCH_BYTES_MAX = 8 << 20;
    private static final int CRC_POSITION = 17;
    private static final int ATTRIBUTES_POSITION = 21;

    private Batches() { }

    static MemoryRecords records(JsonNode node) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (node.isArray())
            for (JsonNode batch : node)
                out.writeBytes(batch(batch));
        else
            out.writeBytes(batch(node));
        return MemoryRecords.readableRecords(ByteBuffer.wrap(out.toByteArray()));
    }

    private static byte[] batch(JsonNode node) {
        if (node.has("hex"))
            return HexFormat.of().parseHex(node.get("hex").asText());
        byte[] bytes = build(node);
        for (JsonNode patch : node.path("patch")) {
            byte[] with = HexFormat.of().parseHex(patch.get(1).asText());
            int at = patch.get(0).asInt();
            System.arraycopy(with, 0, bytes, at < 0 ? bytes.length + at : at, with.length);
        }
        if (node.path("crc").asBoolean()) {
            CRC32C crc = new CRC32C();
            crc.update(bytes, ATTRIBUTES_POSITION, bytes.length - ATTRIBUTES_POSITION);
            ByteBuffer.wrap(bytes).putInt(CRC_POSITION, (int) crc.getValue());
        }
        return bytes;
    }

    private static byte[] build(JsonNode node) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), (byte) node.path("magic").asInt(2),
            Compression.of(CompressionType.forName(node.path("codec").asText("none"))).build(),
            node.path("logAppendTime").asBoolean() ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
            node.path("baseOffset").asLong(0), System.currentTimeMillis(), node.path("pid").asLong(-1),
            (short) node.path("epoch").asInt(-1), node.path("sequence").asInt(-1), node.path("transactional").asBoolean(),
            node.path("leaderEpoch").asInt(-1));
        for (JsonNode record : node.path("records"))
            builder.append(record.path("time").asLong(0), bytes(record.path("key")), bytes(record.path("value")),
                headers(record.path("headers")));
        ByteBuffer out = builder.build().buffer();
        if (out.remaining() > BATCH_BYTES_MAX)
            throw new IllegalArgumentException("a batch of " + out.remaining() + " bytes");
        byte[] bytes = new byte[out.remaining()];
        out.get(bytes);
        return bytes;
    }

    private static byte[] bytes(JsonNode node) {
        return node.isMissingNode() || node.isNull() ? null : Body.bytes(node);
    }

    private static Header[] headers(JsonNode node) {
        List<Header> out = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.properties())
            out.add(new RecordHeader(entry.getKey(), bytes(entry.getValue())));
        return out.toArray(new Header[0]);
    }

    /** Every field of every batch and record; a cut batch at the end is told by its bytes alone. */
    static JsonNode json(byte[] bytes) {
        ArrayNode out = JsonNodeFactory.instance.arrayNode();
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        int left = bytes.length;
        for (RecordBatch batch : records.batches()) {
            left -= batch.sizeInBytes();
            ObjectNode to = out.addObject();
            to.put("magic", batch.magic()).put("sizeInBytes", batch.sizeInBytes());
            to.put("baseOffset", batch.baseOffset()).put("lastOffset", batch.lastOffset());
            to.put("leaderEpoch", batch.partitionLeaderEpoch()).put("codec", batch.compressionType().name);
            to.put("timestampType", batch.timestampType().name).put("maxTimestamp", batch.maxTimestamp());
            to.put("batchProducerId", batch.producerId()).put("batchProducerEpoch", batch.producerEpoch());
            to.put("baseSequence", batch.baseSequence()).put("isTransactional", batch.isTransactional());
            to.put("isControl", batch.isControlBatch()).put("isValid", batch.isValid());
            ArrayNode list = to.putArray("records");
            for (Record record : batch)
                add(list.addObject(), record);
        }
        if (left > 0)
            out.addObject().put("cutBytes", left);
        return out;
    }

    private static void add(ObjectNode to, Record record) {
        to.put("offset", record.offset()).put("recordTimestamp", record.timestamp());
        to.put("key", text(record.key())).put("value", text(record.value()));
        ArrayNode headers = to.putArray("headers");
        for (Header header : record.headers())
            headers.add(header.key() + "=" + (header.value() == null ? null : text(ByteBuffer.wrap(header.value()))));
    }

    private static String text(ByteBuffer bytes) {
        return bytes == null ? null : StandardCharsets.ISO_8859_1.decode(bytes.duplicate()).toString();
    }
}
