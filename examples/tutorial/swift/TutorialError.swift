/// A sentence for whoever runs the tutorial.
package struct TutorialError: Error, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}
