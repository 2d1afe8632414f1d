import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.Node;

/**
 * Stands between a client and the broker and cuts connections at random: before a request reaches the broker, after it
 * did and before the answer comes back, or in the middle of either. After so many cuts it lets everything through, so
 * that what must come to an end can. Addresses in the broker's answers are replaced by the proxy's own.
 */
final class Proxy implements AutoCloseable {
    private final ServerSocket listener;
    private final Node broker;
    private final byte[] broker_address;
    private final byte[] own_address;
    private final Random random;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final double chance;
    private final int cuts_max;
    private int cuts;

    /** Cuts at each frame with this chance, until so many cuts have been made. */
    Proxy(Node broker, long seed, double chance, int cuts_max) throws IOException {
        this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        this.broker = broker;
        this.broker_address = address(broker.host(), broker.port());
        this.own_address = address(broker.host(), listener.getLocalPort());
        this.random = new Random(seed);
        this.chance = chance;
        this.cuts_max = cuts_max;
        daemon(this::accept);
    }

    /** A host is followed by its port in every answer that has an address. */
    private static byte[] address(String host, int port) {
        byte[] name = host.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(name.length + 4).put(name).putInt(port).array();
    }

    String bootstrap() {
        return broker.host() + ":" + listener.getLocalPort();
    }

    synchronized int cuts() {
        return cuts;
    }

    private synchronized int cutAt(int length) {
        if (cuts == cuts_max || random.nextDouble() >= chance)
            return -1;
        cuts++;
        return random.nextInt(3) == 0 ? random.nextInt(length) : random.nextInt(2) * length;
    }

    private static void daemon(Runnable body) {
        Thread t = new Thread(body, "proxy");
        t.setDaemon(true);
        t.start();
    }

    private void accept() {
        try {
            for (;;) {
                Socket client = listener.accept();
                Socket server = new Socket(broker.host(), broker.port());
                client.setTcpNoDelay(true);
                server.setTcpNoDelay(true);
                sockets.add(client);
                sockets.add(server);
                daemon(() -> pump(client, server));
                daemon(() -> pump(server, client));
            }
        } catch (IOException e) {
            // closed
        }
    }

    private void pump(Socket from, Socket to) {
        try (from; to) {
            DataInputStream in = new DataInputStream(from.getInputStream());
            OutputStream out = to.getOutputStream();
            for (;;) {
                byte[] body = in.readNBytes(in.readInt());
                byte[] frame = ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).array();
                replace(frame);
                int cut = cutAt(frame.length);
                out.write(frame, 0, cut < 0 ? frame.length : cut);
                if (cut >= 0)
                    return;
            }
        } catch (IOException e) {
            // One side has closed; so does the other.
        }
        sockets.remove(from);
        sockets.remove(to);
    }

    private void replace(byte[] frame) {
        for (int at = 0; at + broker_address.length <= frame.length; at++)
            if (java.util.Arrays.equals(frame, at, at + broker_address.length, broker_address, 0, broker_address.length))
                System.arraycopy(own_address, 0, frame, at, own_address.length);
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (Socket socket : sockets)
            socket.close();
    }
}
