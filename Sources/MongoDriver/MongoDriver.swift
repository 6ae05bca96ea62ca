enum MongoDriverPlaceholder {}
