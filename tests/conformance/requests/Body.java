import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.internal.BaseRecords;

/** Fills a message of Apache Kafka's classes from JSON, in which a field at its default may be left out. */
final class Body {
    private Body() { }

    static void fill(Message message, JsonNode node) {
        for (Iterator<Map.Entry<String, JsonNode>> i = node.properties().iterator(); i.hasNext();) {
            Map.Entry<String, JsonNode> entry = i.next();
            if (entry.getKey().equals("unknownTags"))
                addUnknownTags(message, entry.getValue());
            else
                set(message, entry.getKey(), entry.getValue());
        }
    }

    private static void set(Message message, String name, JsonNode node) {
        try {
            Field field = message.getClass().getDeclaredField(name);
            field.setAccessible(true);
            field.set(message, node.isNull() ? null : value(field, node));
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(message.getClass().getSimpleName() + " has no field " + name, e);
        }
    }

    private static void addUnknownTags(Message message, JsonNode tags) {
        for (Map.Entry<String, JsonNode> tag : tags.properties())
            message.unknownTaggedFields().add(new RawTaggedField(Integer.parseInt(tag.getKey()), bytes(tag.getValue())));
    }

    private static Object value(Field field, JsonNode node) throws ReflectiveOperationException {
        Class<?> type = field.getType();
        if (!Collection.class.isAssignableFrom(type))
            return value(type, node);
        Collection<Object> out;
        Class<?> element;
        if (type == List.class) {
            out = new ArrayList<>();
            element = (Class<?>) ((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0];
        } else {
            // ImplicitLinkedHashMultiCollection<Element>, each with a class of its own
            @SuppressWarnings("unchecked")
            Collection<Object> made = (Collection<Object>) type.getDeclaredConstructor().newInstance();
            out = made;
            element = (Class<?>) ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0];
        }
        for (JsonNode item : node)
            out.add(value(element, item));
        return out;
    }

    private static Object value(Class<?> type, JsonNode node) throws ReflectiveOperationException {
        if (Message.class.isAssignableFrom(type)) {
            Message nested = (Message) type.getDeclaredConstructor().newInstance();
            fill(nested, node);
            return nested;
        }
        if (type == boolean.class || type == Boolean.class)
            return node.asBoolean();
        if (type == byte.class || type == Byte.class)
            return (byte) integer(node);
        if (type == short.class || type == Short.class)
            return (short) integer(node);
        if (type == int.class || type == Integer.class)
            return (int) integer(node);
        if (type == long.class || type == Long.class)
            return integer(node);
        if (type == double.class || type == Double.class)
            return node.asDouble();
        if (type == Uuid.class)
            return Uuid.fromString(node.asText());
        if (type == String.class)
            return text(node);
        if (type == byte[].class)
            return bytes(node);
        if (type == ByteBuffer.class)
            return ByteBuffer.wrap(bytes(node));
        if (BaseRecords.class.isAssignableFrom(type))
            return Batches.records(node);
        throw new NoSuchFieldException("a field of type " + type.getName());
    }

    private static long integer(JsonNode node) {
        return node.isTextual() ? Long.parseLong(node.asText()) : node.asLong();
    }

    /** {repeat: 'a', times: 250} is a long text. */
    private static String text(JsonNode node) {
        return node.isObject() ? node.get("repeat").asText().repeat(node.get("times").asInt()) : node.asText();
    }

    /** A text, {hex: '00ff'}, or {message: 'ConsumerProtocolSubscription', version: 1, ...} with its version before it. */
    static byte[] bytes(JsonNode node) throws IllegalArgumentException {
        if (node.has("hex"))
            return HexFormat.of().parseHex(node.get("hex").asText());
        if (!node.has("message"))
            return text(node).getBytes(StandardCharsets.UTF_8);
        try {
            Message message = (Message) Class.forName("org.apache.kafka.common.message." + node.get("message").asText())
                .getDeclaredConstructor().newInstance();
            if (node.has("fields"))
                fill(message, node.get("fields"));
            short version = (short) node.get("version").asInt();
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ByteBuffer out = ByteBuffer.allocate(2 + message.size(cache, version));
            out.putShort(version);
            message.write(new ByteBufferAccessor(out), cache, version);
            return out.array();
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(node.toString(), e);
        }
    }
}
