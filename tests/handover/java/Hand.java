import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;

/**
 * Apache Kafka's own clients and tools, kept alive while brokers come and go: a request is a line of JSON on standard input, its
 * answer a line on standard output, either {"answer": …} or {"error": …}.
 */
final class Hand {
    private final Clients clients;

    private Hand(String bootstrap) {
        clients = new Clients(bootstrap);
    }

    private JsonNode carryOut(JsonNode request) throws Exception {
        switch (request.get("do").asText()) {
            case "portrait": return new Portrait(clients.admin(), clients.bootstrap()).paint();
            case "unsettled": return Portrait.unsettled(clients.admin());
            case "dump": return Disk.dump(request);
            case "prepare": return Disk.prepare(request);
            default: return clients.carryOut(request);
        }
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        ObjectMapper mapper = new ObjectMapper();
        Hand hand = new Hand(args[0]);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            ObjectNode answer = JsonNodeFactory.instance.objectNode();
            try {
                answer.set("answer", hand.carryOut(mapper.readTree(line)));
            } catch (Exception failure) {
                StringWriter text = new StringWriter();
                failure.printStackTrace(new PrintWriter(text));
                answer.put("error", text.toString());
            }
            answers.println(mapper.writeValueAsString(answer));
        }
        Runtime.getRuntime().halt(0); // clients are left where they are, as a process that is killed leaves them
    }
}
