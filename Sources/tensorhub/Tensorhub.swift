@main enum Tensorhub { static func main() {} }
