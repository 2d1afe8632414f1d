/* What settings that several kinds share do, said once. */
#pragma once

// clang-format off
#define WORDS_CLIENT_DNS_LOOKUP \
    "Whether all addresses of a host name are tried, or bootstrap names are first replaced by " \
    "their canonical ones."
#define WORDS_CLIENT_ID \
    "A name for this client, shown in the broker's logs, metrics and quotas."
#define WORDS_CONFIG_PROVIDERS \
    "Names of plug-ins that replace ${provider:path:key} in values. This build has none, and " \
    "refuses to run with values that it cannot resolve."
#define WORDS_DEFAULT_API_TIMEOUT_MS \
    "How long a call may take that names no time of its own."
#define WORDS_ENABLE_METRICS_PUSH \
    "Whether the client pushes metrics to a broker that asks for them."
#define WORDS_INTERCEPTOR_CLASSES \
    "Classes that see or change records on their way. This build loads no classes."
#define WORDS_METADATA_MAX_AGE_MS \
    "After how long what is known about the cluster is asked for again, even without a reason."
#define WORDS_METADATA_RECOVERY_REBOOTSTRAP_TRIGGER_MS \
    "After how long without an answer about the cluster the client begins anew from its bootstrap " \
    "addresses."
#define WORDS_METADATA_RECOVERY_STRATEGY \
    "What to do when no known broker can be reached: begin anew from the bootstrap addresses, or " \
    "fail."
#define WORDS_METRIC_REPORTERS \
    "Classes that report metrics. This build loads no classes; metrics are read over HTTP."
#define WORDS_METRICS_NUM_SAMPLES \
    "How many samples a rate in Kafka's metrics is made of. Rates are computed by whoever reads " \
    "the counters here."
#define WORDS_METRICS_RECORDING_LEVEL \
    "How detailed Kafka's metrics are. All of them are kept here."
#define WORDS_METRICS_SAMPLE_WINDOW_MS \
    "Time that one sample of a rate in Kafka's metrics spans. Rates are computed by whoever reads " \
    "the counters here."
#define WORDS_RECEIVE_BUFFER_BYTES \
    "Receive buffer of sockets; -1 leaves it to the operating system."
#define WORDS_RECONNECT_BACKOFF_MAX_MS \
    "Longest pause before a broker that could not be reached is tried again."
#define WORDS_RECONNECT_BACKOFF_MS \
    "First pause before a broker that could not be reached is tried again; it doubles with each " \
    "failure."
#define WORDS_RETRY_BACKOFF_MAX_MS \
    "Longest pause before a failed request is sent again."
#define WORDS_RETRY_BACKOFF_MS \
    "First pause before a failed request is sent again; it doubles with each failure."
#define WORDS_SASL_CLIENT_CALLBACK_HANDLER_CLASS \
    "A class that fills in names and passwords of a SASL client. This build loads no classes."
#define WORDS_SASL_JAAS_CONFIG \
    "Login settings for SASL in JAAS form: a login module and its options, user and password among " \
    "them."
#define WORDS_SASL_KERBEROS_KINIT_CMD \
    "Path of the kinit program."
#define WORDS_SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN \
    "Least time between two attempts to renew a Kerberos login."
#define WORDS_SASL_KERBEROS_SERVICE_NAME \
    "The Kerberos name that brokers run under."
#define WORDS_SASL_KERBEROS_TICKET_RENEW_JITTER \
    "Share of a Kerberos ticket's renewal time that is left to chance."
#define WORDS_SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR \
    "Part of a Kerberos ticket's lifetime after which it is renewed."
#define WORDS_SASL_LOGIN_CALLBACK_HANDLER_CLASS \
    "A class that takes part in SASL logins. This build loads no classes."
#define WORDS_SASL_LOGIN_CLASS \
    "A class that logs in for SASL. This build loads no classes."
#define WORDS_SASL_LOGIN_CONNECT_TIMEOUT_MS \
    "How long connecting to an external login service may take. Used with OAUTHBEARER."
#define WORDS_SASL_LOGIN_READ_TIMEOUT_MS \
    "How long reading from an external login service may take. Used with OAUTHBEARER."
#define WORDS_SASL_LOGIN_REFRESH_BUFFER_SECONDS \
    "How long before it expires a login token is refreshed at the latest."
#define WORDS_SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS \
    "How long a login token is kept at least before it is refreshed."
#define WORDS_SASL_LOGIN_REFRESH_WINDOW_FACTOR \
    "Part of a login token's lifetime after which it is refreshed."
#define WORDS_SASL_LOGIN_REFRESH_WINDOW_JITTER \
    "Share of a login token's lifetime by which its refresh may be late, chosen at random."
#define WORDS_SASL_LOGIN_RETRY_BACKOFF_MAX_MS \
    "Longest pause between two tries to log in with an external service."
#define WORDS_SASL_LOGIN_RETRY_BACKOFF_MS \
    "First pause between two tries to log in with an external service."
#define WORDS_SASL_MECHANISM \
    "SASL mechanism that this client authenticates with."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_ALGORITHM \
    "Signature algorithm of assertions that the client makes to get a token."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD \
    "Audience claim of the client's assertions."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS \
    "How long the client's assertions are valid."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS \
    "Issuer claim of the client's assertions."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE \
    "Whether the client's assertions carry an id of their own."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS \
    "How long before now the client's assertions become valid."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB \
    "Subject claim of the client's assertions."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_FILE \
    "A file with an assertion made elsewhere, instead of one made here."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE \
    "A PEM file with the key that signs the client's assertions."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE \
    "Passphrase of the key that signs the client's assertions."
#define WORDS_SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE \
    "A JSON file with further headers and claims for the client's assertions."
#define WORDS_SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID \
    "Client id for the OAuth client credentials flow."
#define WORDS_SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET \
    "Client secret for the OAuth client credentials flow."
#define WORDS_SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS \
    "By how much clocks may differ when a token's times are checked."
#define WORDS_SASL_OAUTHBEARER_EXPECTED_AUDIENCE \
    "Audiences of which a token must name one."
#define WORDS_SASL_OAUTHBEARER_EXPECTED_ISSUER \
    "The issuer that a token must come from."
#define WORDS_SASL_OAUTHBEARER_HEADER_URLENCODE \
    "Whether client id and secret are URL-encoded in the request for a token, as some services " \
    "demand."
#define WORDS_SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS \
    "How often the signing keys of tokens are fetched again."
#define WORDS_SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS \
    "Longest pause between two tries to fetch the signing keys of tokens."
#define WORDS_SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS \
    "First pause between two tries to fetch the signing keys of tokens."
#define WORDS_SASL_OAUTHBEARER_JWKS_ENDPOINT_URL \
    "Where the signing keys of tokens are: an http, https or file URL."
#define WORDS_SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS \
    "The class that obtains tokens in Kafka. This build loads no classes."
#define WORDS_SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS \
    "The class that checks tokens in Kafka. This build loads no classes."
#define WORDS_SASL_OAUTHBEARER_SCOPE \
    "Scope that is asked for with a token."
#define WORDS_SASL_OAUTHBEARER_SCOPE_CLAIM_NAME \
    "Name of the claim that holds a token's scope."
#define WORDS_SASL_OAUTHBEARER_SUB_CLAIM_NAME \
    "Name of the claim that holds a token's subject, which becomes the user's name."
#define WORDS_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL \
    "Where tokens are obtained: the token service's URL, or a file with a token."
#define WORDS_SECURITY_PROTOCOL \
    "How to speak to brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. This build has PLAINTEXT " \
    "only and refuses the rest."
#define WORDS_SECURITY_PROVIDERS \
    "Java security provider classes. There is no Java here."
#define WORDS_SEND_BUFFER_BYTES \
    "Send buffer of sockets; -1 leaves it to the operating system."
#define WORDS_SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS \
    "Longest time that setting up a connection may take; successive failures in a row reach it."
#define WORDS_SOCKET_CONNECTION_SETUP_TIMEOUT_MS \
    "Time that setting up a connection may take at first; it doubles with each failure in a row."
#define WORDS_SSL_CIPHER_SUITES \
    "Cipher suites that TLS may use; empty leaves it to the library."
#define WORDS_SSL_ENABLED_PROTOCOLS \
    "TLS versions that are accepted."
#define WORDS_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM \
    "How the name in the other side's certificate is checked: https compares it with the host " \
    "name, empty does not check."
#define WORDS_SSL_ENGINE_FACTORY_CLASS \
    "A class that makes TLS engines in Kafka. This build loads no classes."
#define WORDS_SSL_KEY_PASSWORD \
    "Password of the private key."
#define WORDS_SSL_KEYMANAGER_ALGORITHM \
    "Java's algorithm for key managers. There is no Java here."
#define WORDS_SSL_KEYSTORE_CERTIFICATE_CHAIN \
    "Certificate chain in PEM form, for the store type PEM."
#define WORDS_SSL_KEYSTORE_KEY \
    "Private key in PEM form, for the store type PEM."
#define WORDS_SSL_KEYSTORE_LOCATION \
    "File with this side's key and certificate."
#define WORDS_SSL_KEYSTORE_PASSWORD \
    "Password of the key store file."
#define WORDS_SSL_KEYSTORE_TYPE \
    "Format of the key store: JKS, PKCS12 or PEM."
#define WORDS_SSL_PROTOCOL \
    "The TLS version that is preferred."
#define WORDS_SSL_PROVIDER \
    "Java's security provider for TLS. There is no Java here."
#define WORDS_SSL_SECURE_RANDOM_IMPLEMENTATION \
    "Java's random generator for TLS. There is no Java here."
#define WORDS_SSL_TRUSTMANAGER_ALGORITHM \
    "Java's algorithm for trust managers. There is no Java here."
#define WORDS_SSL_TRUSTSTORE_CERTIFICATES \
    "Trusted certificates in PEM form, for the store type PEM."
#define WORDS_SSL_TRUSTSTORE_LOCATION \
    "File with the certificates that are trusted."
#define WORDS_SSL_TRUSTSTORE_PASSWORD \
    "Password of the trust store file."
#define WORDS_SSL_TRUSTSTORE_TYPE \
    "Format of the trust store: JKS, PKCS12 or PEM."
