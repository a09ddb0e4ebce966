ramjet_unit_test(client allocate)
ramjet_unit_test(client routes)
ramjet_unit_test(client consumer)
