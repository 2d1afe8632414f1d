import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;

/** One connection: frames go out; each frame that comes back is found by its correlation id, its first four bytes. */
final class Wire implements Closeable {
    enum Outcome { ANSWER, CLOSED, NO_ANSWER }

    static final int ANSWER_TIMEOUT_MS = 20_000;
    private static final int FRAME_BYTES_MAX = 64 << 20;

    private final Socket socket = new Socket();
    private final DataInputStream in;
    private final OutputStream out;
    private final Map<Integer, byte[]> early = new HashMap<>();
    private boolean closed;

    Wire(String host, int port) throws IOException {
        socket.setTcpNoDelay(true);
        socket.connect(new InetSocketAddress(host, port), ANSWER_TIMEOUT_MS);
        socket.setSoTimeout(ANSWER_TIMEOUT_MS);
        in = new DataInputStream(socket.getInputStream());
        out = socket.getOutputStream();
    }

    boolean isClosed() {
        return closed;
    }

    /** A peer that has closed already is found when the answer is awaited. */
    void send(byte[] bytes) {
        try {
            out.write(bytes);
            out.flush();
        } catch (IOException e) {
            closed = true;
        }
    }

    static byte[] frame(byte[] content) {
        return ByteBuffer.allocate(4 + content.length).putInt(content.length).put(content).array();
    }

    /** The frame with this correlation id, or null, and then outcome() tells why. */
    byte[] receive(int correlationId) throws IOException {
        byte[] found = early.remove(correlationId);
        while (found == null && !closed) {
            byte[] frame = receive();
            if (frame == null)
                break;
            int id = ByteBuffer.wrap(frame).getInt();
            if (id == correlationId)
                found = frame;
            else
                early.put(id, frame);
        }
        return found;
    }

    Outcome outcome() {
        return closed ? Outcome.CLOSED : Outcome.NO_ANSWER;
    }

    private byte[] receive() throws IOException {
        try {
            int size = in.readInt();
            if (size < 4 || size > FRAME_BYTES_MAX)
                throw new IOException("an answer of " + size + " bytes");
            byte[] frame = new byte[size];
            in.readFully(frame);
            return frame;
        } catch (SocketTimeoutException e) {
            return null;
        } catch (EOFException | SocketException e) {
            closed = true;
            return null;
        }
    }

    /** Whatever comes until the peer closes or one whole frame is there. */
    byte[] receiveFrameOrEnd() throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        try {
            for (int b; (b = in.read()) >= 0;) {
                all.write(b);
                if (all.size() >= 4 && all.size() - 4 == ByteBuffer.wrap(all.toByteArray()).getInt())
                    return all.toByteArray();
            }
            closed = true;
        } catch (SocketTimeoutException e) {
            return all.toByteArray();
        } catch (SocketException e) {
            closed = true;
        }
        return all.toByteArray();
    }

    @Override
    public void close() throws IOException {
        closed = true;
        socket.close();
    }
}
