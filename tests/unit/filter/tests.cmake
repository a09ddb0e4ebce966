ramjet_unit_test(filter bloom)
ramjet_unit_test(filter java_number)
ramjet_unit_test(filter sql)
ramjet_unit_test(filter tags)
