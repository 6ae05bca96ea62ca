/// The file that another program starts in the place of a Python script.
extension ScriptCommand {
    /// Its name in the working directory.
    static let starterName = "__start__.py"

    /// Python of any version from 2.7 on. A launcher may run it as `__main__`, in several processes, or import it.
    static func starterText(_ pythonFolder: String, script name: String) -> String {
        """
        # Starts the script: its hyper-parameters are then its global variables, and its results are taken from these.
        def __start(names):
            import os, sys
            script = os.path.join(os.path.dirname(os.path.abspath(names["__file__"])), \(pythonLiteral(name)))
            client = \(pythonLiteral(pythonFolder))
            if sys.version_info < (3, 8):
                try:
                    with open(client + "/tensorhub/legacy.py") as file:
                        legacy = {"__name__": "tensorhub_legacy"}
                        exec(compile(file.read(), file.name, "exec"), legacy)
                    return legacy["begin"], script
                except (IOError, OSError) as error:
                    reason = error
            else:
                path = sys.path[:]
                sys.path.insert(0, client)
                try:
                    from tensorhub.script import begin
                    sys.path[:] = path if client in path else path[:1] + [client] + path[1:]
                    return begin, script
                except ImportError as error:
                    sys.path[:] = path
                    reason = error
            sys.stderr.write(
                "tensorhub: the Python client cannot be read from here (%s), so hyper-parameters are no global "
                "variables, and results are not taken from them; see TENSORHUB_TASK_FILE and TENSORHUB_RESULT_FILE\\n" % reason
            )
            def plainly(names, script):
                with open(script, "rb") as file:
                    code = compile(file.read(), script, "exec", 0, True)
                names["__file__"] = script
                exec(code, names)
            return plainly, script

        __start, __script = __start(globals())
        __start(globals(), __script)

        """
    }

    /// A text for every Python: whatever is no ASCII in the bytes that the file system has.
    private static func pythonLiteral(_ text: String) -> String {
        let digits = Array("0123456789abcdef")
        var literal = ""
        for byte in text.utf8 {
            let isPlain = byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
            literal += isPlain ? String(Unicode.Scalar(byte)) : "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }
        let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
        return isASCII
            ? "\"\(literal)\"" : "(lambda name: name if str is bytes else os.fsdecode(name))(b\"\(literal)\")"
    }

    /// What a task is told at its start whose script cannot be given its global variables.
    static func notice(_ words: [String]) -> String {
        "tensorhub: how '\(words.joined(separator: " "))' starts Python is not known here, so the script's hyper-parameters are "
            + "no global variables, and its results are not taken from them; tensorhub.hyper_parameters and "
            + "tensorhub.save_results() do without"
    }
}
