import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.BinaryNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/** A request of one version as bytes, and its answer's bytes as JSON. */
final class Request {
    static final JsonMapper MAPPER = JsonMapper.builder()
        .enable(JsonReadFeature.ALLOW_UNQUOTED_FIELD_NAMES)
        .enable(JsonReadFeature.ALLOW_SINGLE_QUOTES)
        .enable(JsonReadFeature.ALLOW_TRAILING_COMMA)
        .build();

    final int correlationId;
    private final ApiMessageType api;
    private final short answerVersion;
    /** Null: this version cannot express the body. */
    final byte[] content;
    private final int headerBytes;

    Request(Script.Step step, short version, String body, int correlationId) throws IOException {
        this.correlationId = correlationId;
        this.api = step.api;
        String answer = step.clause("answer");
        this.answerVersion = answer == null ? version : Short.parseShort(answer);
        ApiMessage message = api.newRequest();
        if (!body.isBlank())
            Body.fill(message, MAPPER.readTree(body));
        byte[] bytes;
        try {
            bytes = encode(message, version);
        } catch (UnsupportedVersionException e) {
            bytes = null;
        }
        byte[] header = header(step, version);
        this.headerBytes = header.length;
        this.content = bytes == null ? null : join(header, mend(step, bytes));
    }

    int bodyBytes() {
        return content.length - headerBytes;
    }

    byte[] half() {
        return Arrays.copyOf(content, headerBytes + bodyBytes() / 2);
    }

    private byte[] header(Script.Step step, short version) {
        String claim = step.clause("claim");
        String[] claimed = claim == null ? new String[0] : claim.split(" ");
        RequestHeaderData header = new RequestHeaderData()
            .setRequestApiKey(claimed.length > 0 ? Short.parseShort(claimed[0]) : api.apiKey())
            .setRequestApiVersion(claimed.length > 1 ? Short.parseShort(claimed[1]) : version)
            .setCorrelationId(correlationId)
            .setClientId("conformance");
        return encode(header, api.requestHeaderVersion(version));
    }

    /** The damage that clauses order. */
    private static byte[] mend(Script.Step step, byte[] bytes) {
        byte[] out = bytes;
        for (Script.Clause clause : step.clauses) {
            switch (clause.word()) {
                case "cut" -> out = Arrays.copyOf(out, out.length - Integer.parseInt(clause.rest()));
                case "tail" -> out = join(out, HexFormat.of().parseHex(clause.rest()));
                case "at" -> {
                    String[] words = clause.rest().split(" ");
                    int at = Integer.parseInt(words[0]);
                    byte[] with = HexFormat.of().parseHex(words[1]);
                    System.arraycopy(with, 0, out, at < 0 ? out.length + at : at, with.length);
                }
                default -> { }
            }
        }
        return out;
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] out = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, out, a.length, b.length);
        return out;
    }

    private static byte[] encode(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.array();
    }

    /** Bytes that are left over after the answer are told too: there must be none. */
    JsonNode answer(byte[] frame) {
        ByteBufferAccessor in = new ByteBufferAccessor(ByteBuffer.wrap(frame));
        new ResponseHeaderData().read(in, api.responseHeaderVersion(answerVersion));
        ApiMessage message = api.newResponse();
        message.read(in, answerVersion);
        ObjectNode out = (ObjectNode) json(message);
        openRecords(out);
        if (in.remaining() > 0)
            out.put("bytesLeftOver", in.remaining());
        return out;
    }

    private JsonNode json(ApiMessage message) {
        try {
            return (JsonNode) Class.forName(message.getClass().getName() + "JsonConverter")
                .getMethod("write", message.getClass(), short.class, boolean.class)
                .invoke(null, message, answerVersion, true);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(message.getClass().getName(), e);
        }
    }

    private static void openRecords(JsonNode node) {
        if (node instanceof ObjectNode object) {
            for (Map.Entry<String, JsonNode> entry : object.properties()) {
                if (entry.getKey().equals("records") && entry.getValue() instanceof BinaryNode binary)
                    entry.setValue(Batches.json(binary.binaryValue()));
            }
        }
        for (JsonNode child : node)
            openRecords(child);
    }
}
