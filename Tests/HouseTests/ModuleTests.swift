import Testing

/// What docs/architecture.md says of the modules, held against Package.swift and the sources.
@Suite struct ModuleTests {
    @Test func `Imports point down only, by the table of the modules`() throws {
        let table = try House.allowedImports()
        let names = table.map(\.module)
        #expect(Set(names).count == names.count, "a module has two rows")
        for (index, row) in table.enumerated() {
            let others = row.imports.subtracting(names[(index + 1)...])
            #expect(others.isEmpty, "\(row.module): \(others.sorted()) have no row below its own")
        }
    }

    @Test func `Package.swift and the table of the modules say the same`() throws {
        let modules = try House.modules().filter { !$0.isTest }
        #expect(modules.count > 10, "Package.swift is not read as it is written")
        let table = Dictionary(uniqueKeysWithValues: try House.allowedImports().map { ($0.module, $0.imports) })
        #expect(Set(modules.map(\.name)) == Set(table.keys), "each module has a row in docs/architecture.md")
        for module in modules {
            #expect(
                module.dependencies == table[module.name],
                "\(module.name): what it depends on in Package.swift, and its row in docs/architecture.md"
            )
        }
    }

    @Test func `A module imports what Package.swift gives it, and all of that`() throws {
        let modules = try House.modules()
        let names = Set(modules.map(\.name))
        for module in modules where !module.isTest {
            var imports: Set<String> = []
            for line in try House.files(below: module.path).flatMap(\.lines) {
                let word = #/^(?:@\w+ )*(?:\w+ )?import (?:(?:struct|class|enum|protocol|func|var|let) )?(\w+)/#
                if let name = line.prefixMatch(of: word)?.1 { imports.insert(String(name)) }
            }
            imports.formIntersection(names)
            #expect(imports == module.dependencies, "\(module.name): what it imports, and what it depends on")
        }
    }
}
