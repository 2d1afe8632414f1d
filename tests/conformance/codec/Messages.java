import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.Schema;

/** Every generated message class of Apache Kafka's jars on the class path, by the message's name. */
final class Messages {
    /** One message class and what can be done with it. */
    static final class Kind {
        final String name;
        final Class<? extends Message> type;
        final short lowest;
        final short highest;
        private final Schema[] schemas;
        private final Method toJson;

        private Kind(String name, Class<? extends Message> type) throws ReflectiveOperationException {
            this.name = name;
            this.type = type;
            this.lowest = type.getField("LOWEST_SUPPORTED_VERSION").getShort(null);
            this.highest = type.getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
            this.schemas = (Schema[]) type.getField("SCHEMAS").get(null);
            this.toJson = converter(type);
        }

        /** Streams' own message has no converter; its JSON is left empty. */
        private static Method converter(Class<?> type) throws ReflectiveOperationException {
            try {
                return Class.forName(type.getName() + "JsonConverter").getMethod("write", type, short.class,
                    boolean.class);
            } catch (ClassNotFoundException e) {
                return null;
            }
        }

        Schema schema(short version) {
            return schemas[version];
        }

        Message make() {
            try {
                return type.getConstructor().newInstance();
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(name, e);
            }
        }

        /** Also checks that the size that was announced is the size that was written. */
        byte[] encode(Message message, short version) {
            ObjectSerializationCache cache = new ObjectSerializationCache();
            int size = message.size(cache, version);
            ByteBuffer buffer = ByteBuffer.allocate(size);
            message.write(new ByteBufferAccessor(buffer), cache, version);
            if (buffer.hasRemaining())
                throw new IllegalStateException(name + ": " + buffer.remaining() + " bytes fewer than announced");
            return buffer.array();
        }

        /** The bytes must be used up. */
        Message decode(byte[] bytes, short version) {
            Message message = make();
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            message.read(new ByteBufferAccessor(buffer), version);
            if (buffer.hasRemaining())
                throw new IllegalArgumentException(buffer.remaining() + " bytes are left over");
            return message;
        }

        /** Null where Apache Kafka has no converter. A records field becomes xSizeInBytes. */
        JsonNode json(Message message, short version) {
            try {
                return toJson == null ? null : (JsonNode) toJson.invoke(null, message, version, false);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(name, e);
            }
        }
    }

    private static final Pattern CLASS = Pattern.compile(
        "org/apache/kafka/(?:common/message|common/metadata|[a-z/]*/generated)/\\w+\\.class");
    private static final Pattern DATA = Pattern.compile("(.*(?:Request|Response|RequestHeader|ResponseHeader))Data");

    private final Map<String, Kind> kinds = new TreeMap<>();

    Messages() {
        List<String> jars = new ArrayList<>();
        Collections.addAll(jars, System.getProperty("java.class.path").split(File.pathSeparator));
        try {
            for (String jar : jars)
                if (jar.endsWith(".jar"))
                    scan(jar);
        } catch (IOException | ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private void scan(String path) throws IOException, ReflectiveOperationException {
        try (JarFile jar = new JarFile(path)) {
            for (JarEntry entry : Collections.list(jar.entries())) {
                if (!CLASS.matcher(entry.getName()).matches())
                    continue;
                Class<?> type = Class.forName(entry.getName().replace(".class", "").replace('/', '.'));
                if (Message.class.isAssignableFrom(type) && !type.isInterface())
                    add(type.asSubclass(Message.class));
            }
        }
    }

    private void add(Class<? extends Message> type) throws ReflectiveOperationException {
        String name = type.getSimpleName();
        var data = DATA.matcher(name);
        Kind kind = new Kind(data.matches() ? data.group(1) : name, type);
        if (kind.highest < kind.lowest)
            return; // no version is left of it
        if (kinds.put(kind.name, kind) != null)
            throw new IllegalStateException("two messages are called " + kind.name);
    }

    Iterable<Kind> all() {
        return kinds.values();
    }

    Kind get(String name) {
        Kind kind = kinds.get(name);
        if (kind == null)
            throw new IllegalArgumentException("no message is called " + name);
        return kind;
    }
}
