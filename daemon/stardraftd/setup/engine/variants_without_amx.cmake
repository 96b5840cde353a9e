# Takes AMX out of every variant of ggml-cpu that is compiled with it, at the end of the configuration: a variant's
# own -mamx-* come after CMAKE_CXX_FLAGS, so what is to undo them has to come later still.

function(stardraft_leave_out_amx folder)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(options ${target} COMPILE_OPTIONS)
    if("${options}" MATCHES "-mamx-")
      target_compile_options(${target} PRIVATE -mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
      message(STATUS "stardraft: ${target} is compiled without AMX")
    endif()
  endforeach()
  get_property(folders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  foreach(one IN LISTS folders)
    stardraft_leave_out_amx("${one}")
  endforeach()
endfunction()

cmake_language(DEFER CALL stardraft_leave_out_amx "${CMAKE_CURRENT_SOURCE_DIR}")
