import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.UnalignedMemoryRecords;

/**
 * Fills messages at random: every field that exists in a version, and none that does not.
 * Each class's own schema says which those are, what type they have, and whether they may be null.
 */
final class RandomMessage {
    /** How a whole message is filled; the first two make sure that the extremes occur in each. */
    enum Style { DEFAULTS, FULL, MIXED }

    private static final int DEPTH_WIDE = 2; // arrays deeper than this stay short

    private final SplittableRandom random;
    private Style style;

    RandomMessage(long seed) {
        random = new SplittableRandom(seed);
    }

    Message make(Messages.Kind kind, short version, Style style) {
        this.style = style;
        Message message = kind.make();
        try {
            fill(message, kind.schema(version), 0);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(kind.name + " version " + version, e);
        }
        return message;
    }

    private boolean chance(double p) {
        return random.nextDouble() < p;
    }

    private void fill(Message message, Schema schema, int depth) throws ReflectiveOperationException {
        Map<String, Field> members = members(message.getClass());
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (var field : tagged.fields().values())
                    set(message, members, field, depth);
                addUnknownTags(message);
            } else {
                set(message, members, bound.def, depth);
            }
        }
    }

    private void set(Message message, Map<String, Field> members,
                     org.apache.kafka.common.protocol.types.Field field, int depth) throws ReflectiveOperationException {
        Field member = members.get(field.name.replace("_", ""));
        if (member == null)
            throw new NoSuchFieldException(message.getClass().getName() + " " + field.name);
        Object now = member.get(message);
        boolean keep = style == Style.DEFAULTS || (style == Style.MIXED && chance(0.15));
        if (keep && (now != null || field.type.isNullable()))
            return;
        if (style == Style.MIXED && field.type.isNullable() && chance(0.25))
            member.set(message, null);
        else
            member.set(message, value(field.type, member, depth));
    }

    private Object value(Type type, Field member, int depth) throws ReflectiveOperationException {
        if (type.isArray())
            return array(type.arrayElementType().orElseThrow(), member, depth);
        return value(type, member.getType(), depth);
    }

    private Object value(Type type, Class<?> to, int depth) throws ReflectiveOperationException {
        if (type instanceof Schema schema) {
            Message nested = (Message) to.getDeclaredConstructor().newInstance();
            fill(nested, schema, depth + 1);
            return nested;
        }
        if (to == boolean.class || to == Boolean.class)
            return random.nextInt(2) == 1;
        if (to == byte.class || to == Byte.class)
            return (byte) integer(8, true);
        if (to == short.class || to == Short.class)
            return (short) integer(16, true);
        if (to == int.class || to == Integer.class)
            return type == Type.UINT16 ? (int) integer(16, false) : (int) integer(32, true);
        if (to == long.class || to == Long.class)
            return type == Type.UNSIGNED_INT32 ? integer(32, false) : integer(64, true);
        if (to == double.class || to == Double.class)
            return real();
        if (to == Uuid.class)
            return chance(0.1) ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
        if (to == String.class)
            return string();
        if (to == byte[].class)
            return bytes();
        if (to == ByteBuffer.class)
            return ByteBuffer.wrap(bytes());
        if (to.isAssignableFrom(MemoryRecords.class))
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        if (to.isAssignableFrom(UnalignedMemoryRecords.class))
            return new UnalignedMemoryRecords(ByteBuffer.wrap(bytes()));
        throw new NoSuchFieldException("no random " + to.getName());
    }

    private Object array(Type element, Field member, int depth) throws ReflectiveOperationException {
        Collection<Object> out;
        Class<?> to;
        if (member.getType() == List.class) {
            out = new ArrayList<>();
            Object argument = ((ParameterizedType) member.getGenericType()).getActualTypeArguments()[0];
            if (argument instanceof ParameterizedType)
                throw new NoSuchFieldException("array of arrays: " + member);
            to = (Class<?>) argument;
        } else {
            // ImplicitLinkedHashMultiCollection<Element>, each with a class of its own
            @SuppressWarnings("unchecked")
            Collection<Object> made = (Collection<Object>) member.getType().getDeclaredConstructor().newInstance();
            out = made;
            to = (Class<?>) ((ParameterizedType) member.getType().getGenericSuperclass()).getActualTypeArguments()[0];
        }
        for (int left = count(element instanceof Schema, depth); left > 0; left--)
            out.add(value(element, to, depth));
        return out;
    }

    /** 127 elements and more need a second byte in the compact encoding of a length. */
    private int count(boolean structs, int depth) {
        if (style == Style.FULL)
            return 1 + random.nextInt(depth < DEPTH_WIDE ? 3 : 2);
        if (chance(0.2))
            return 0;
        if (chance(structs ? 0.02 : 0.1) && depth < DEPTH_WIDE)
            return 120 + random.nextInt(20);
        return 1 + random.nextInt(depth < DEPTH_WIDE ? 4 : 2);
    }

    private long integer(int bits, boolean signed) {
        int low = signed ? bits - 1 : bits;
        long max = low == 63 ? Long.MAX_VALUE : (1L << low) - 1;
        long min = signed ? -max - 1 : 0;
        return switch (random.nextInt(8)) {
            case 0 -> 0;
            case 1 -> max;
            case 2 -> min;
            case 3 -> signed ? -1 : 1;
            case 4, 5 -> random.nextInt(100);
            default -> random.nextLong() & max | (signed && random.nextInt(2) == 1 ? min : 0);
        };
    }

    private double real() {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt(1000);
            case 1 -> random.nextInt(1 << 20) / 16.0 - 1000;
            case 2 -> -0.0;
            default -> {
                double d = Double.longBitsToDouble(random.nextLong());
                yield Double.isFinite(d) ? d : Double.MIN_VALUE;
            }
        };
    }

    private int length() {
        if (style == Style.MIXED) {
            if (chance(0.1))
                return 0;
            if (chance(0.03))
                return 120 + random.nextInt(20);
            if (chance(0.002))
                return 16_370 + random.nextInt(30);
        }
        return 1 + random.nextInt(12);
    }

    private String string() {
        int kind = random.nextInt(6);
        StringBuilder out = new StringBuilder();
        // A string has at most 32,767 bytes, and four of them may go to one character.
        for (int left = kind == 5 ? Math.min(length(), 8191) : length(); left > 0; left--) {
            int c = switch (kind == 5 ? random.nextInt(5) : 4) {
                case 0 -> random.nextInt(0x20);                             // control characters
                case 1 -> 0x80 + random.nextInt(0x780);                     // two bytes of UTF-8
                case 2 -> 0x800 + random.nextInt(0xd000);                   // three
                case 3 -> 0x10000 + random.nextInt(0x100000);               // four
                default -> 0x20 + random.nextInt(0x5f);
            };
            out.appendCodePoint(c);
        }
        return out.toString();
    }

    private byte[] bytes() {
        byte[] out = new byte[style == Style.MIXED && chance(0.002) ? 70_000 : length()];
        for (int i = 0; i < out.length; i++)
            out[i] = (byte) random.nextInt(256);
        return out;
    }

    /** Beyond the tags known in any version: Kafka refuses a tag that only another version knows. */
    private void addUnknownTags(Message message) throws ReflectiveOperationException {
        if (style == Style.DEFAULTS || (style == Style.MIXED && chance(0.7)))
            return;
        int first = 0;
        for (Schema schema : (Schema[]) message.getClass().getField("SCHEMAS").get(null))
            if (schema != null)
                for (BoundField bound : schema.fields())
                    if (bound.def.type instanceof TaggedFields tagged)
                        for (int tag : tagged.fields().keySet())
                            first = Math.max(first, tag + 1);
        TreeSet<Integer> tags = new TreeSet<>();
        for (int left = 1 + random.nextInt(3); left > 0; left--)
            tags.add(first + random.nextInt(chance(0.5) ? 8 : Integer.MAX_VALUE - first));
        for (int tag : tags)
            message.unknownTaggedFields().add(new RawTaggedField(tag, bytes()));
    }

    private static final Map<Class<?>, Map<String, Field>> MEMBERS = new HashMap<>();

    /** A class's fields by their names in lower case: a schema has an underscore before each word. */
    private static Map<String, Field> members(Class<?> type) {
        return MEMBERS.computeIfAbsent(type, t -> {
            Map<String, Field> out = new HashMap<>();
            for (Field field : t.getDeclaredFields()) {
                field.setAccessible(true);
                out.put(field.getName().toLowerCase(Locale.ROOT), field);
            }
            return out;
        });
    }
}
