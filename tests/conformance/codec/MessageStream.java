import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file of encoded messages, with which two implementations check each other.
 *
 * <pre>
 *   u16 name length, name      of the message: FetchRequest, TopicRecord, …   } repeated to the
 *   i16 version                                                               } end of the file,
 *   u32 size, bytes            the message as encoded                         } all big-endian
 *   u32 size, JSON in UTF-8    the same as Apache Kafka prints it, or empty   }
 * </pre>
 */
final class MessageStream {
    record Entry(String name, short version, byte[] bytes, String json) { }

    private static final int SIZE_MAX = 64 << 20;

    static final class Writer implements Closeable {
        private final DataOutputStream out;

        Writer(String path) throws IOException {
            out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(path)), 1 << 16));
        }

        void write(Entry entry) throws IOException {
            byte[] name = entry.name.getBytes(StandardCharsets.UTF_8);
            byte[] json = entry.json.getBytes(StandardCharsets.UTF_8);
            out.writeShort(name.length);
            out.write(name);
            out.writeShort(entry.version);
            out.writeInt(entry.bytes.length);
            out.write(entry.bytes);
            out.writeInt(json.length);
            out.write(json);
        }

        @Override
        public void close() throws IOException {
            out.close();
        }
    }

    static final class Reader implements Closeable {
        private final DataInputStream in;

        Reader(String path) throws IOException {
            in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(path)), 1 << 16));
        }

        /** Null at the end of the file; a file that ends within an entry is an error. */
        Entry read() throws IOException {
            int first = in.read();
            if (first < 0)
                return null;
            byte[] name = take(first << 8 | in.readUnsignedByte());
            short version = in.readShort();
            byte[] bytes = take(in.readInt());
            byte[] json = take(in.readInt());
            return new Entry(new String(name, StandardCharsets.UTF_8), version, bytes,
                new String(json, StandardCharsets.UTF_8));
        }

        private byte[] take(int size) throws IOException {
            if (size < 0 || size > SIZE_MAX)
                throw new IOException("an entry of " + (size & 0xffffffffL) + " bytes, more than " + SIZE_MAX);
            byte[] out = in.readNBytes(size);
            if (out.length < size)
                throw new EOFException("the file ends within an entry");
            return out;
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
