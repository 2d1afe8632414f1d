import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends 0, 1, 2 … to the partitions in turn, whatever becomes of the broker, until it is told to end. */
final class Flow {
    private static final int IN_FLIGHT_MAX = 200;

    private final Producer<byte[], byte[]> producer;
    private final String topic;
    private final int partitions;
    private final List<long[]> acknowledged = new ArrayList<>();
    private final List<String> errors = new ArrayList<>();
    private final Semaphore room = new Semaphore(IN_FLIGHT_MAX);
    private final Thread thread = new Thread(this::run);
    private volatile boolean ending;
    private long sent;

    Flow(Producer<byte[], byte[]> producer, String topic, int partitions) {
        this.producer = producer;
        this.topic = topic;
        this.partitions = partitions;
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        try {
            while (!ending) {
                room.acquire();
                long number = sent++;
                int partition = (int) (number % partitions);
                producer.send(new ProducerRecord<>(topic, partition, null, Long.toString(number).getBytes(StandardCharsets.UTF_8)),
                    (at, failure) -> told(number, partition, at == null ? -1 : at.offset(), failure));
                Thread.sleep(4);
            }
        } catch (InterruptedException | RuntimeException failure) {
            synchronized (this) {
                errors.add(failure.toString());
            }
        }
    }

    private synchronized void told(long number, int partition, long offset, Exception failure) {
        if (failure == null) {
            acknowledged.add(new long[] {number, partition, offset});
        } else {
            errors.add(number + ": " + failure);
        }
        room.release();
    }

    synchronized long acknowledged() {
        return acknowledged.size() + errors.size();
    }

    JsonNode end() throws InterruptedException {
        ending = true;
        thread.join();
        producer.flush();
        synchronized (this) {
            return Clients.report(acknowledged, errors, sent);
        }
    }
}
