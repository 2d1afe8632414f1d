/** Runs every case of kafka-clients against the broker at the address given. */
public final class Main {
    public static void main(String[] args) throws InterruptedException {
        if (args.length < 1 || args.length > 2) {
            System.err.println("usage: Main BOOTSTRAP [part of a case's name]");
            System.exit(2);
        }
        Suite suite = new Suite();
        GroupCases.add(suite); // the slow ones first: they wait for sessions to expire
        ConsumerProtocolCases.add(suite);
        MemberCases.add(suite);
        DisconnectCases.add(suite);
        TransactionCases.add(suite);
        ProduceCases.add(suite);
        ConsumeCases.add(suite);
        TopicCases.add(suite);
        ConfigCases.add(suite);
        AdminCases.add(suite);
        System.exit(suite.run(args[0], args.length > 1 ? args[1] : "") == 0 ? 0 : 1);
    }
}
