import BSON
import Console

/// Hyper-parameters as CSV (RFC 4180): names in the first line, then a task for each line.
enum ParameterTable {
    static func read(_ text: ArraySlice<UInt8>, _ source: String) throws(CommandFailure) -> [ParameterLines.Line] {
        var rows = try rows(of: text, source)[...]
        guard let head = rows.popFirst(), !rows.isEmpty else {
            throw .badInput("\(source) has no line below the names; write one line of values for each task")
        }
        let names = head.cells.map(\.text)
        if let index = names.firstIndex(where: \.isEmpty) {
            throw .badInput("line 1 of \(source): column \(index + 1) has no name")
        }
        var lines: [ParameterLines.Line] = []
        for row in rows {
            let place = "line \(row.number) of \(source)"
            guard row.cells.count == names.count else {
                throw .badInput("\(place) has \(counted(row.cells.count, "value")) for \(counted(names.count, "name"))")
            }
            var document = BSONDocument()
            for (name, cell) in zip(names, row.cells) { document.append(name, try value(cell, name, place)) }
            if let name = document.repeatedKey { throw .badInput("line 1 of \(source) has the name '\(name)' twice") }
            lines.append(ParameterLines.Line(place: place, document: document))
        }
        return lines
    }

    private struct Cell {
        var text: String
        var isQuoted: Bool
    }

    private struct Row {
        var number: Int
        var cells: [Cell]
    }

    /// What is in quotes is text, as spreadsheets mean it, unless it is a list or an object.
    private static func value(_ cell: Cell, _ name: String, _ place: String) throws(CommandFailure) -> BSONValue {
        do {
            let value = try WrittenValue(cell.text).value
            let isNested = value.documentValue != nil || value.arrayValue != nil
            return cell.isQuoted && !isNested ? .string(cell.text) : value
        } catch {
            if cell.isQuoted { return .string(cell.text) }
            throw .badInput("\(place): \(name)=\(TerminalText.truncated(cell.text, to: 60)): \(error.message)")
        }
    }

    private static func rows(of text: ArraySlice<UInt8>, _ source: String) throws(CommandFailure) -> [Row] {
        let (quote, comma, end) = (UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "\n"))
        var rows: [Row] = []
        var row = Row(number: 1, cells: [])
        var cell: [UInt8] = []
        var (number, wasQuoted, isOpen) = (1, false, false)
        func finished() throws(CommandFailure) -> Cell {
            if !wasQuoted, cell.last == UInt8(ascii: "\r") { cell.removeLast() }
            guard let text = String(validating: cell, as: UTF8.self) else {
                throw .badInput("line \(number) of \(source) is no UTF-8")
            }
            return Cell(text: text, isQuoted: wasQuoted)
        }
        var index = text.startIndex
        while index <= text.endIndex {
            let byte = index < text.endIndex ? text[index] : end
            index += 1
            if isOpen, index <= text.endIndex {
                if byte == quote, index < text.endIndex, text[index] == quote {
                    cell.append(quote)
                    index += 1
                } else if byte == quote {
                    isOpen = false
                } else {
                    cell.append(byte)
                }
                if byte == end { number += 1 }
            } else if byte == quote, cell.isEmpty, !wasQuoted {
                (isOpen, wasQuoted) = (true, true)
            } else if byte == comma || byte == end {
                row.cells.append(try finished())
                (cell, wasQuoted) = ([], false)
                guard byte == end else { continue }
                let isBlank = row.cells.count == 1 && row.cells[0].text.isEmpty && !row.cells[0].isQuoted
                if !isBlank { rows.append(row) }
                number += 1
                row = Row(number: number, cells: [])
            } else if !(wasQuoted && byte == UInt8(ascii: "\r")) {
                cell.append(byte)
            }
        }
        if isOpen { throw .badInput("a quotation mark of \(source) is not closed; end the value with one") }
        return rows
    }
}
