import Console
import HummingbirdCore
import HummingbirdTLS
import NIOSSL

/// The certificate of `tensorhub serve` and its key.
struct ServeTLS: Sendable {
    private let configuration: TLSConfiguration

    /// Reads both files.
    init(certificate: String, key: String) throws(CommandFailure) {
        let pem = try InputFile(certificate, role: "tls-certificate").text
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMBytes(Array(pem))
        } catch {
            throw .badInput("tls-certificate: \(certificate) has no certificate in PEM form: \(error)")
        }
        if chain.isEmpty { throw .badInput("tls-certificate: \(certificate) has no certificate in PEM form") }
        let keyPEM = try InputFile(key, role: "tls-key").text
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(bytes: Array(keyPEM), format: .pem)
        } catch {
            throw .badInput("tls-key: \(key) has no private key in PEM form: \(error)")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(privateKey)
        )
        // What is older is broken; every client since 2015 has it.
        configuration.minimumTLSVersion = .tlsv12
        self.configuration = configuration
        do {
            _ = try NIOSSLContext(configuration: configuration)
        } catch {
            throw .badInput("tls-key: \(key) does not belong to the certificate \(certificate): \(error)")
        }
    }

    func wrap(_ channel: HTTP1Channel) throws -> any ServerChildChannel {
        try TLSChannel(channel, tlsConfiguration: configuration)
    }
}
