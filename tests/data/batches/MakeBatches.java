import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Writes the records of README.md with Apache Kafka's own classes: `topics`, `produce`, or `legacy`. */
public final class MakeBatches {
    private static final int COUNT = 40;
    private static final long BASE_TIME = 1700000000000L;
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    private MakeBatches() {
    }

    private static byte[] key(int i) {
        return i % 5 == 0 ? null : ("key-" + i).getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] value(int i) {
        return i % 7 == 6 ? null : ("value-" + i + " ").repeat(1 + i % 13).getBytes(StandardCharsets.UTF_8);
    }

    private static RecordHeaders headers(int i) {
        RecordHeaders headers = new RecordHeaders();
        if (i % 3 == 0)
            headers.add(new RecordHeader("h", Integer.toString(i).getBytes(StandardCharsets.UTF_8)));
        if (i % 6 == 0)
            headers.add(new RecordHeader("empty", null));
        return headers;
    }

    private static Properties config(String servers, Map<String, String> more) {
        Properties config = new Properties();
        config.put("bootstrap.servers", servers);
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        config.put("linger.ms", "2000");
        config.put("batch.size", "100000");
        config.putAll(more);
        return config;
    }

    private static void topics(String servers) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            for (String codec : CODECS) {
                create(admin, "java-" + codec, "CreateTime");
                create(admin, "kcat-" + codec, "CreateTime");
            }
            create(admin, "java-transaction", "CreateTime");
            create(admin, "java-append-time", "LogAppendTime");
        }
    }

    /** The records' times lie far back: without these settings segments would roll and be deleted. */
    private static void create(Admin admin, String name, String timestampType) throws Exception {
        Map<String, String> config = Map.of("message.timestamp.type", timestampType, "retention.ms", "-1",
                                            "segment.ms", Long.toString(Long.MAX_VALUE));
        admin.createTopics(List.of(new NewTopic(name, Optional.of(1), Optional.of((short) 1)).configs(config)))
            .all().get(30, TimeUnit.SECONDS);
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic) {
        for (int i = 0; i < COUNT; i++)
            producer.send(new ProducerRecord<>(topic, 0, BASE_TIME + i * 10L, key(i), value(i), headers(i)));
        producer.flush();
    }

    private static void produce(String servers) {
        for (String codec : CODECS) {
            try (KafkaProducer<byte[], byte[]> producer =
                     new KafkaProducer<>(config(servers, Map.of("compression.type", codec)))) {
                send(producer, "java-" + codec);
            }
        }
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                 config(servers, Map.of("enable.idempotence", "false", "compression.type", "lz4")))) {
            send(producer, "java-append-time");
        }
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                 config(servers, Map.of("transactional.id", "t", "compression.type", "zstd")))) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, "java-transaction");
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, "java-transaction");
            producer.abortTransaction();
        }
    }

    private static void legacy(Path directory, int magic, Compression compression, TimestampType type)
        throws IOException {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), (byte) magic, compression,
            type, 1000L, BASE_TIME + 12345);
        for (int i = 0; i < COUNT; i++) {
            ByteBuffer key = key(i) == null ? null : ByteBuffer.wrap(key(i));
            ByteBuffer value = value(i) == null ? null : ByteBuffer.wrap(value(i));
            builder.append(magic == 0 ? -1 : BASE_TIME + i * 10L, key, value);
        }
        MemoryRecords records = builder.build();
        byte[] bytes = new byte[records.sizeInBytes()];
        records.buffer().duplicate().get(bytes);
        String name = "magic-" + magic + "-" + compression.type().name
            + (type == TimestampType.LOG_APPEND_TIME ? "-append-time" : "") + ".log";
        Files.write(directory.resolve(name), bytes);
    }

    private static void legacy(Path directory) throws IOException {
        for (Compression compression : List.of(Compression.NONE, Compression.gzip().build(),
                                               Compression.snappy().build(), Compression.lz4().build())) {
            legacy(directory, 0, compression, TimestampType.NO_TIMESTAMP_TYPE);
            legacy(directory, 1, compression, TimestampType.CREATE_TIME);
        }
        legacy(directory, 1, Compression.lz4().build(), TimestampType.LOG_APPEND_TIME);
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "topics" -> topics(args[1]);
            case "produce" -> produce(args[1]);
            case "legacy" -> legacy(Path.of(args[1]));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
