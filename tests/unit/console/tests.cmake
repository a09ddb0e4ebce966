ramjet_unit_test(console answers)
ramjet_unit_test(console path)
