enum LocalMongoPlaceholder {}
