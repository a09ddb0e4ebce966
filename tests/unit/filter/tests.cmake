ramjet_unit_test(filter tags)
