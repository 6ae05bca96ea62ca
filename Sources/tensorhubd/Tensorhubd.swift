@main enum Tensorhubd { static func main() {} }
