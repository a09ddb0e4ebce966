ramjet_unit_test(delivery delay_levels)
ramjet_unit_test(delivery retry)
ramjet_unit_test(delivery delay)
ramjet_unit_test(delivery timer_message)
