import CLibCrypto
import CLibMongoC
import Files
import Glibc

/// The files of certificates and keys that a connection string names. libmongoc reads them when it connects, and what
/// is wrong with them then looks like a server that cannot be reached.
enum TLSFiles {
    /// - Throws: ``MongoError/Code/invalidURI`` that names the option, the file and what is wrong with it.
    static func check(_ uri: borrowing MongoURI) throws(MongoError) {
        if let path = uri.text(MONGOC_URI_TLSCAFILE) {
            try read("tlsCAFile", path) { bytes in
                certificates(bytes) == nil ? "it has no certificate in PEM form" : nil
            }
        }
        if let path = uri.text(MONGOC_URI_TLSCERTIFICATEKEYFILE) {
            let password = uri.text(MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD) ?? ""
            try read("tlsCertificateKeyFile", path) { bytes in pairFault(bytes, password) }
        }
    }

    private static func read(
        _ option: String,
        _ path: String,
        _ fault: ([UInt8]) -> String?
    ) throws(MongoError) {
        func failure(_ reason: String) -> MongoError { MongoError(.invalidURI, "\(option): \(path): \(reason)") }
        // More than all certificates of the world.
        let limit = 16 << 20
        let bytes: [UInt8]?
        do throws(FileError) {
            let file = try OpenFile(path)
            bytes = file.isRegular ? try file.readAll(limit: limit) : nil
        } catch {
            throw failure(error.reason)
        }
        guard let bytes else { throw failure("it is no file") }
        guard bytes.count <= limit else { throw failure("it is too large for certificates") }
        if bytes.isEmpty { throw failure("it is empty") }
        if let reason = fault(bytes) { throw failure(reason) }
    }

    /// The first certificate, in the form of X.509; `nil` where there is none or one is broken.
    private static func certificates(_ bytes: [UInt8]) -> OwnedCertificate? {
        withBuffer(bytes) { buffer in
            ERR_clear_error()
            defer { ERR_clear_error() }
            guard let first = PEM_read_bio_X509(buffer, nil, nil, nil) else { return nil }
            let owned = OwnedCertificate(pointer: first)
            while let next = PEM_read_bio_X509(buffer, nil, nil, nil) { X509_free(next) }
            // The end of the file shows as the want of another beginning.
            let error = ERR_peek_last_error()
            return ERR_GET_REASON(error) == PEM_R_NO_START_LINE ? owned : nil
        }
    }

    private static func pairFault(_ bytes: [UInt8], _ password: String) -> String? {
        guard let certificate = certificates(bytes) else { return "it has no certificate in PEM form" }
        return withBuffer(bytes) { buffer in
            defer { ERR_clear_error() }
            var words = Array(password.utf8CString)
            let key = words.withUnsafeMutableBytes { PEM_read_bio_PrivateKey(buffer, nil, nil, $0.baseAddress) }
            guard let key else { return "it has no private key in PEM form, or another password than the one given" }
            defer { EVP_PKEY_free(key) }
            return X509_check_private_key(certificate.pointer, key) == 1
                ? nil : "its private key does not belong to its certificate"
        }
    }

    private static func withBuffer<Value>(_ bytes: [UInt8], _ body: (OpaquePointer) -> Value?) -> Value? {
        bytes.withUnsafeBytes { bytes in
            guard let buffer = BIO_new_mem_buf(bytes.baseAddress, CInt(bytes.count)) else { return nil }
            defer { BIO_free(buffer) }
            return body(buffer)
        }
    }

    private final class OwnedCertificate {
        let pointer: OpaquePointer

        init(pointer: OpaquePointer) {
            self.pointer = pointer
        }

        deinit { X509_free(pointer) }
    }
}
