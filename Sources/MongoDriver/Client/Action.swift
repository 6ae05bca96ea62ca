import BSON

/// What a call asks of the server, in the words of the sentence that says who may not do it. Taken from what is sent,
/// and never from the server's answer, which quotes the whole command.
enum Action: Sendable {
    case read(Namespace)
    case insert(Namespace)
    case update(Namespace)
    case delete(Namespace)
    case watch(Namespace)
    case listIndexes(Namespace)
    case listCollections(database: String)
    /// Its first key is its name, and the value the collection where it is about one.
    case command(BSONDocument, database: String)

    /// `insert into TaskOutput`.
    ///
    /// - Parameter home: The database that needs no mention; `nil` where the URI names none.
    func words(home: String?) -> String {
        func name(_ namespace: Namespace) -> String {
            let isElsewhere = home.map { $0 != namespace.database } ?? Self.systemDatabases.contains(namespace.database)
            return (isElsewhere ? "\(namespace.database)." : "") + namespace.collection
        }
        switch self {
        case .read(let namespace): return "read \(name(namespace))"
        case .insert(let namespace): return "insert into \(name(namespace))"
        case .update(let namespace): return "update \(name(namespace))"
        case .delete(let namespace): return "delete from \(name(namespace))"
        case .watch(let namespace): return "watch \(name(namespace))"
        case .listIndexes(let namespace): return "list the indexes of \(name(namespace))"
        case .listCollections(let database): return "list the collections of database \(database)"
        case .command(let command, let database):
            guard let (key, value) = command.first(where: { _ in true }).map({ ($0.key, $0.value) }) else {
                return "do that"
            }
            guard let collection = value.stringValue else {
                switch key {
                case "dropDatabase": return "drop database \(database)"
                case "listCollections": return Action.listCollections(database: database).words(home: home)
                default: return "run \(key) on database \(database)"
                }
            }
            let namespace = Namespace(database: database, collection: collection)
            switch key {
            case "findAndModify":
                return (command["remove"] == true ? Action.delete(namespace) : .update(namespace)).words(home: home)
            case "find", "aggregate", "count", "distinct": return Action.read(namespace).words(home: home)
            case "createIndexes": return "create an index on \(name(namespace))"
            case "dropIndexes": return "drop an index of \(name(namespace))"
            case "drop": return "drop \(name(namespace))"
            case "create": return "create \(name(namespace))"
            case "collMod", "collStats", "validate", "compact": return "run \(key) on \(name(namespace))"
            default: return "run \(key) on database \(database)"
            }
        }
    }

    private static let systemDatabases: Set<String> = ["admin", "config", "local"]
}
