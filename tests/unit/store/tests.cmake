set(store_dir ${CMAKE_CURRENT_SOURCE_DIR}/store/store_dir.c)
ramjet_unit_test(store store ${store_dir})
ramjet_unit_test(store recover ${store_dir})
